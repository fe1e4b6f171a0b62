"""Concatenation: all features side by side, nothing learned."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mmsearch.fusion.base import Fusion, FusionSettings


class Concat(Fusion):
    """Features side by side, in the order of the modalities."""

    class Config(FusionSettings):
        """Concatenation has no settings."""

        kind: Literal["concat"] = "concat"

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        del config
        super().__init__(dims)
        self.out_features = sum(dims.values())

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Features of all modalities, side by side."""
        return torch.cat(self.ordered(features), dim=1)
