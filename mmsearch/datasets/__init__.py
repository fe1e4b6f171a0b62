"""Datasets, one file each: train and valid for a search, the task, and whether files are there.

The test split is behind `datasets.held_out`, which nothing here imports.
"""

from mmsearch.datasets.splits import check, known, load
from mmsearch.datasets.task import SearchData, TargetTransform, Task

__all__ = ["SearchData", "TargetTransform", "Task", "check", "known", "load"]
