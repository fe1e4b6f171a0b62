"""Low rank: the tensor product followed by a linear layer, with that layer's weights factorised.

Paper: Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, 2018,
arXiv 1806.00064.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.fusion.base import Fusion, FusionSettings


class LowRank(Fusion):
    """Weighted sum over ranks of the product over modalities of their factors' outputs."""

    class Config(FusionSettings):
        """Settings of the factorised product."""

        kind: Literal["low_rank"] = "low_rank"
        rank: int = Field(4, ge=1)
        """Terms of the factorisation."""
        features: int = Field(128, ge=1)
        """Width of the fused vector."""

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = config.features
        self.factors = nn.ModuleList(
            _Factor(config.rank, width, config.features) for width in dims.values()
        )
        self.rank_weights = nn.Parameter(torch.empty(1, config.rank))
        self.bias = nn.Parameter(torch.zeros(config.features))
        nn.init.xavier_normal_(self.rank_weights)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Fused features; a 1 is appended to every modality's."""
        ordered = self.ordered(features)
        outputs = [factor(value) for factor, value in zip(self.factors, ordered, strict=True)]
        product = torch.stack(outputs).prod(dim=0)
        return torch.einsum("or,rbf->bf", self.rank_weights, product) + self.bias


class _Factor(nn.Module):
    """One modality's weights of every rank."""

    def __init__(self, rank: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rank, in_features + 1, out_features))
        for matrix in self.weight:
            nn.init.xavier_normal_(matrix)

    def forward(self, value: Float[Tensor, "batch features"]) -> Float[Tensor, "rank batch fused"]:
        return nn.functional.pad(value, (0, 1), value=1.0) @ self.weight
