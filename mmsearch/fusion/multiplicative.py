"""Multiplicative: projections multiplied feature by feature, then a layer with tanh (as in MIM)."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.fusion.base import Fusion, FusionSettings, Projections


class Multiplicative(Fusion):
    """tanh(Linear(product of the modalities' projections))."""

    class Config(FusionSettings):
        """Settings of the product."""

        kind: Literal["multiplicative"] = "multiplicative"
        features: int = Field(128, ge=1)
        """Width of the product and of the layer after it."""

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = config.features
        self.projections = Projections(dims, config.features)
        self.output = nn.Linear(config.features, config.features)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Product over modalities, mixed by one layer, in (-1, 1)."""
        product = self.projections(self.ordered(features)).prod(dim=0)
        return torch.tanh(self.output(product))
