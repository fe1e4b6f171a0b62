"""What data gives and a method takes: named modalities as padded sequences, a target, row numbers.

Unusual: a split is itself a `Batch` of all its rows, held in memory; a training batch is `take`n
from it by indexing. A modality given as one vector per example is a sequence of length 1. What one
step is depends on who reads it: a method takes features; a network that is fine-tuned under it
takes tokens (no dimension of their own), images (channel, height, width) or samples of sound.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples of one split."""

    inputs: Mapping[str, Shaped[Tensor, "batch _steps ..."]]
    """By modality (`text`, `audio`, `vision`, ...): padded at the end. A method's are floats
    (batch, steps, features), padded with zeros."""
    lengths: Mapping[str, Int[Tensor, " batch"]]
    """By modality: how many steps are real, at least 1."""
    target: Float[Tensor, " batch"] | Int[Tensor, " batch"]
    """Values in model units (`datasets.Task.transform`), or classes from 0."""
    rows: Int[Tensor, " batch"]
    """Row of each example in its split: the key of a method's per-example memory."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " rows"]) -> "Batch":
        """The examples at these positions, cut to the longest of them by modality."""
        lengths = {name: length[rows] for name, length in self.lengths.items()}
        return Batch(
            inputs={
                name: value[rows, : int(lengths[name].max())] for name, value in self.inputs.items()
            },
            lengths=lengths,
            target=self.target[rows],
            rows=self.rows[rows],
        )

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Batch":
        """The same on another device; `dtype` is for inputs of floats alone, all else keeps its."""
        return Batch(
            inputs={
                name: value.to(device, dtype if value.is_floating_point() else None)
                for name, value in self.inputs.items()
            },
            lengths={name: value.to(device) for name, value in self.lengths.items()},
            target=self.target.to(device),
            rows=self.rows.to(device),
        )


def are_features(inputs: Shaped[Tensor, "batch _steps ..."]) -> bool:
    """Whether a modality's inputs are a method's, and not tokens, images or samples of sound."""
    return inputs.is_floating_point() and inputs.dim() == 3


def are_tokens(inputs: Shaped[Tensor, "batch _steps ..."]) -> bool:
    """Whether a modality's inputs are numbers of tokens."""
    return not inputs.is_floating_point() and inputs.dim() == 2
