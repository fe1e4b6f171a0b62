"""What every dataset is: files that are there or not, examples of named splits, and a task."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.task import TargetTransform, Task

SplitName = Literal["train", "valid", "test"]
VARIABLE = "MMSEARCH_DATA"
"""Environment variable: the folder that datasets are looked for in when none is given."""


@dataclass(frozen=True)
class Examples:
    """One split, ready for a method except for the units of its labels."""

    inputs: Mapping[str, Float[Tensor, "batch _steps _features"]]
    """By modality, padded at the end with zeros."""
    lengths: Mapping[str, Int[Tensor, " batch"]]
    """By modality: how many steps are real, at least 1."""
    label: Float[Tensor, " batch"]
    """In original units."""

    def batch(self, transform: TargetTransform, rows: Int[Tensor, " batch"]) -> Batch:
        """The same as a batch, its target in model units."""
        return Batch(
            inputs=self.inputs,
            lengths=self.lengths,
            target=transform.encode(self.label),
            rows=rows,
        )


class Dataset(ABC):
    """A dataset's files; each file of this package that is a dataset defines one `DATASET`."""

    name: str

    @abstractmethod
    def check(self, folder: Path | None) -> None:
        """Raises DataError if its files are not there; reads none of them."""

    @abstractmethod
    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; `test` is asked for by `held_out` alone.

        Raises:
            DataError: files are absent, damaged or of another layout.
        """

    @abstractmethod
    def task(self, train: Examples) -> Task:
        """What is predicted, worked out from train alone."""


def data_folder(folder: Path | None) -> Path | None:
    """The folder that was given, or the one that the environment names, or None."""
    named = os.environ.get(VARIABLE)
    return folder or (Path(named) if named else None)


def sign_balance(label: Float[Tensor, " batch"]) -> str:
    """How train labels spread over signs, and how accurate a constant answer is."""
    negative, zero = int((label < 0).sum()), int((label == 0).sum())
    share = max(negative, len(label) - negative) / len(label)
    side = "negative" if 2 * negative > len(label) else "non-negative"
    return (
        f"{negative} of {len(label)} train labels are negative and {zero} are zero: "
        f"answering always {side} has accuracy {share:.2f}"
    )
