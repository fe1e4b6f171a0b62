"""Sum: every modality projected to one width, then added."""

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from mmsearch.fusion.base import Fusion, FusionSettings, Projections


class Sum(Fusion):
    """Sum of linear projections."""

    class Config(FusionSettings):
        """Settings of the sum."""

        kind: Literal["sum"] = "sum"
        features: int = Field(128, ge=1)
        """Width to which every modality is projected."""

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = config.features
        self.projections = Projections(dims, config.features)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Sum over modalities of their projections."""
        return self.projections(self.ordered(features)).sum(dim=0)
