"""Step encoders: one modality's padded sequence in, a sequence of the same length out.

Unusual: steps beyond an example's length come out as zeros, whatever they came in as.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class StepEncoder(nn.Module, ABC):
    """Sequences to sequences; steps beyond an example's length have no effect and are zero."""

    out_features: int
    """Features of each step."""

    @abstractmethod
    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch steps out_features"]:
        """Features of every step."""


class StepEncoders(StepEncoder):
    """Step encoders one after the other."""

    def __init__(self, *encoders: StepEncoder) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.out_features = encoders[-1].out_features

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch steps out_features"]:
        """Features of every step by the last encoder."""
        for encoder in self.encoders:
            sequence = encoder(sequence, lengths)
        return sequence


def real_steps(lengths: Int[Tensor, " batch"], steps: int) -> Bool[Tensor, "batch steps"]:
    """Which steps of a padded sequence are within each example's length."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def without_padding(
    sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch steps features"]:
    """The sequence with zeros beyond each example's length."""
    padding = ~real_steps(lengths, sequence.shape[1])
    return sequence.masked_fill(padding.unsqueeze(2), 0.0)


def mean_of_steps(
    sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch features"]:
    """Mean over each example's real steps."""
    total = without_padding(sequence, lengths).sum(dim=1)
    return total / lengths.unsqueeze(1).to(total.dtype)


def last_steps(
    sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch features"]:
    """The last real step of each example."""
    return sequence[torch.arange(len(lengths), device=lengths.device), lengths - 1]
