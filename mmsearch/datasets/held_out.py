"""Gives the test split of a dataset: who searches must never import this.

Unusual: an import contract keeps every room away from it but the one that opens the seal on a
finished selection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from mmsearch.batch import Batch
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.splits import answering, find


@dataclass(frozen=True)
class HeldOut:
    """The test split of a dataset."""

    batch: Batch
    """Its target in the model units that train fixes."""
    raw: Mapping[str, Raw]
    """By modality."""


def load(name: str, *, folder: Path | None = None) -> HeldOut:
    """The test split.

    Args:
        name: the dataset's.
        folder: where its files lie; None looks in the folder that MMSEARCH_DATA names.

    Raises:
        DataError: unknown name, or files that are missing, damaged or of another layout.
    """
    with answering(name):
        dataset = find(name)
        examples = dataset.read(("train", "test"), folder)
        transform = dataset.task(examples["train"], folder).transform
    test = examples["test"]
    return HeldOut(test.batch(transform, torch.arange(len(test.label))), test.raw)
