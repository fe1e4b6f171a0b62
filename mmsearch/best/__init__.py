"""The best configuration of a finished search, under fresh seeds: `python -m mmsearch.best`."""
