"""Methods side by side under equal budgets: `python -m mmsearch.compare`."""
