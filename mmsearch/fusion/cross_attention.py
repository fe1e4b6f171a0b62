"""Cross-attention: one token per modality, transformer layers over the tokens.

Unusual: the fused vector is all attended tokens side by side, so no modality is averaged away.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from mmsearch.fusion.base import Fusion, FusionSettings, Projections


class CrossAttention(Fusion):
    """Modality tokens that attend to each other; pre-norm layers, feed-forward 4 times as wide."""

    class Config(FusionSettings):
        """Settings of the transformer."""

        kind: Literal["cross_attention"] = "cross_attention"
        features: int = Field(64, ge=1)
        """Width of a token; a multiple of `heads`."""
        heads: int = Field(4, ge=1)
        """Attention heads."""
        layers: int = Field(1, ge=1)
        """Transformer layers."""
        dropout: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout inside the layers."""

        @model_validator(mode="after")
        def _heads_divide_features(self) -> "CrossAttention.Config":
            if self.features % self.heads:
                raise ValueError(
                    f"heads must divide features, got heads={self.heads}, features={self.features}"
                )
            return self

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = config.features * len(dims)
        self.projections = Projections(dims, config.features)
        self.positions = nn.Parameter(torch.randn(len(dims), 1, config.features) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.features,
                config.heads,
                dim_feedforward=4 * config.features,
                dropout=config.dropout,
                norm_first=True,
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.features)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Attended tokens, side by side."""
        tokens = self.projections(self.ordered(features)) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens).transpose(0, 1).flatten(1)
