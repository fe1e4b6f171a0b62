"""Handwritten digits described in six ways: 2000 rows, ten classes, bundled with the package.

Source, licence and split rule: `files/mfeat/SOURCE.md`.

Unusual: the views are called as the source calls them, and are one vector per example each.
Features are scaled to [0, 1] by minimum and maximum of train, as M3CoL does for views of omics.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mmsearch.datasets import bundled
from mmsearch.datasets.base import Examples, SplitName
from mmsearch.datasets.labels import classification
from mmsearch.datasets.scaling import MinMax
from mmsearch.datasets.task import Task

FILES = bundled.FILES / "mfeat"
VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")
CLASSES = tuple("0123456789")


class Mfeat(bundled.Bundled):
    """The embedded classification: needs no folder."""

    name = "mfeat"

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits, scaled by train."""
        self.check(folder)
        train = _arrays("train")
        scalings = {name: MinMax.fit(train[name]) for name in VIEWS}
        return {split: _examples(_arrays(split), scalings) for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Classification of the digit."""
        return classification(self.name, train, CLASSES, metrics="multiclass")


def _arrays(split: SplitName) -> dict[str, np.ndarray]:
    return bundled.arrays(FILES, split, (*VIEWS, "label"))


def _examples(arrays: Mapping[str, np.ndarray], scalings: Mapping[str, MinMax]) -> Examples:
    label = torch.as_tensor(arrays["label"].astype(np.int64))
    return Examples.of_vectors(
        {name: scalings[name].apply(arrays[name]) for name in VIEWS}, label=label
    )


DATASET = Mfeat()
