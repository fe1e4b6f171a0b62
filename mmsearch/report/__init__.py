"""What a study leaves behind: tables, the best configuration, one page, figures, a summary."""

from mmsearch.report.best import write_best_toml
from mmsearch.report.figures import write_figures
from mmsearch.report.page import write_page
from mmsearch.report.standing import STATES, Lead, Summary, describe_trial, state_name, summary
from mmsearch.report.toml import published_shape
from mmsearch.report.trials import FORMATS, epoch_table, trial_table, write_table, write_trials_csv

__all__ = [
    "FORMATS",
    "STATES",
    "Lead",
    "Summary",
    "describe_trial",
    "epoch_table",
    "published_shape",
    "state_name",
    "summary",
    "trial_table",
    "write_best_toml",
    "write_figures",
    "write_page",
    "write_table",
    "write_trials_csv",
]
