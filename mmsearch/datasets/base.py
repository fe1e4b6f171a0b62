"""What every dataset is: files that are there or not, examples of named splits, and a task."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.raw import Raw
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
    label: Float[Tensor, " batch"] | Int[Tensor, " batch"]
    """In original units, or classes from 0."""
    raw: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    """By modality, for networks that read it; a modality may be in `inputs`, here, or both."""

    @classmethod
    def of_vectors(
        cls, vectors: Mapping[str, Float32[np.ndarray, "batch _features"]], *, label: Tensor
    ) -> "Examples":
        """A split whose modalities are one vector per example: sequences of one step."""
        return cls(
            inputs={name: torch.as_tensor(value).unsqueeze(1) for name, value in vectors.items()},
            lengths=dict.fromkeys(vectors, torch.ones(len(label), dtype=torch.int64)),
            label=label,
        )

    @property
    def modalities(self) -> dict[str, int]:
        """Features per step by modality; 0 for one that is raw and nothing else."""
        return dict.fromkeys(self.raw, 0) | {
            name: value.shape[2] for name, value in self.inputs.items()
        }

    def take(self, rows: Int[Tensor, " rows"]) -> "Examples":
        """The examples at these positions."""
        return Examples(
            inputs={name: value[rows] for name, value in self.inputs.items()},
            lengths={name: value[rows] for name, value in self.lengths.items()},
            label=self.label[rows],
            raw={name: value.take(rows) for name, value in self.raw.items()},
        )

    def batch(self, transform: TargetTransform, rows: Int[Tensor, " batch"]) -> Batch:
        """The same as a batch, its target in model units and what is raw left out."""
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
    def task(self, train: Examples, folder: Path | None) -> Task:
        """What is predicted, worked out from train and what is said beside it."""


def places(folder: Path | None, *below: str) -> list[Path]:
    """Folders to look for a dataset in; none if no folder is given and the environment names none.

    Args:
        folder: given for this dataset, so that its files may lie straight in it.
        below: where they may lie in a folder of datasets.
    """
    named = os.environ.get(VARIABLE)
    base = folder or (Path(named) if named else None)
    if base is None:
        return []
    found = [base / part for part in below]
    return found if folder is None else [folder, *found]


def differing_widths(examples: Mapping[SplitName, Examples], modality: str) -> str:
    """How many features it has in each split, as messages tell it; empty if all have as many."""
    widths = {split: part.inputs[modality].shape[2] for split, part in examples.items()}
    told = ", ".join(f"{width} in {split}" for split, width in widths.items())
    return told if len(set(widths.values())) > 1 else ""
