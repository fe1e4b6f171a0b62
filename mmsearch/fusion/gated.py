"""Gated: each modality's features weighted by a gate that sees all modalities.

Paper: Gated Multimodal Units for Information Fusion, 2017, arXiv 1702.01992.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.fusion.base import Fusion, FusionSettings, Projections


class Gated(Fusion):
    """Sum of gate * tanh(projection), one gate per modality and feature.

    The gates are independent sigmoids, as the paper has them for more than two modalities.
    """

    class Config(FusionSettings):
        """Settings of the gated unit."""

        kind: Literal["gated"] = "gated"
        features: int = Field(128, ge=1)
        """Width to which every modality is projected."""

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = config.features
        self.projections = Projections(dims, config.features)
        self.gates = nn.Linear(sum(dims.values()), len(dims) * config.features)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Gated sum over modalities."""
        ordered = self.ordered(features)
        hidden = torch.tanh(self.projections(ordered))
        gates = torch.sigmoid(self.gates(torch.cat(ordered, dim=1)))
        gates = gates.view(-1, len(self.dims), self.out_features).transpose(0, 1)
        return (gates * hidden).sum(dim=0)
