"""What a study leaves behind: tables, the best configuration and a summary, from its record."""

from mmsearch.report.best import write_best_toml
from mmsearch.report.page import write_page
from mmsearch.report.standing import Lead, Summary, describe_trial, state_name, summary
from mmsearch.report.trials import write_trials_csv

__all__ = [
    "Lead",
    "Summary",
    "describe_trial",
    "state_name",
    "summary",
    "write_best_toml",
    "write_page",
    "write_trials_csv",
]
