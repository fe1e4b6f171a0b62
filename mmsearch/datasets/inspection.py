"""Checks a dataset wholly, for the command that says what is there.

Unusual: the files of test are read too, so that a mistake in them shows before a search and not
after it; but all that leaves is how many rows they have. No room that searches has a use for this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import get_args

from mmsearch.datasets.base import SplitName
from mmsearch.datasets.splits import answering, find, search_data
from mmsearch.datasets.task import Task


@dataclass(frozen=True)
class Inspection:
    """What a dataset is, once every file of it was read and found right."""

    task: Task
    rows: Mapping[SplitName, int]
    modalities: str
    """As messages tell them."""
    fingerprint: str
    """SHA-256 over train and valid, as the record of a study has it."""


def headline(name: str) -> str:
    """The sentence that a dataset's file opens with."""
    find(name)
    text = import_module(f"mmsearch.datasets.{name}").__doc__
    assert text, f"datasets/{name}.py must open with a sentence"
    return text.partition("\n\n")[0].replace("\n", " ").strip()


def inspect(name: str, *, folder: Path | None = None) -> Inspection:
    """Reads and checks all splits.

    Args:
        name: the dataset's.
        folder: where its files lie; None looks in the folder that MMSEARCH_DATA names.

    Raises:
        DataError: unknown name, or files that are missing, damaged or of another layout.
    """
    with answering(name):
        dataset = find(name)
        examples = dataset.read(get_args(SplitName), folder)
        data = search_data(dataset, examples, folder)
    rows: dict[SplitName, int] = {split: len(part.label) for split, part in examples.items()}
    return Inspection(data.task, rows, data.modalities_told, data.fingerprint)
