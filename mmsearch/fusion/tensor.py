"""Tensor: the outer product of all modalities, each with a 1 appended.

Paper: Tensor Fusion Network for Multimodal Sentiment Analysis, 2017, arXiv 1707.07250.
Unusual: modalities are projected to one small width first, so that any encoder fits.
"""

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.errors import Problem, StudyError
from mmsearch.fusion.base import Fusion, FusionSettings, Projections

MAX_PRODUCT = 2**20
"""Features beyond which the layer after the product would not fit a usual machine."""


class TensorProduct(Fusion):
    """Every product of one feature (or 1) of each modality: (features + 1) ** modalities wide.

    Raises:
        StudyError: the product would have more than `MAX_PRODUCT` features.
    """

    class Config(FusionSettings):
        """Settings of the outer product."""

        kind: Literal["tensor"] = "tensor"
        features: int = Field(16, ge=1)
        """Width to which every modality is projected before the product."""

    def __init__(self, config: Config, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.out_features = (config.features + 1) ** len(dims)
        if self.out_features > MAX_PRODUCT:
            raise StudyError(_too_large(config.features, len(dims)))
        self.projections = Projections(dims, config.features)

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Flattened outer product, the last modality varying fastest."""
        first, *others = (
            nn.functional.pad(value, (0, 1), value=1.0)
            for value in self.projections(self.ordered(features))
        )
        for other in others:
            first = (first.unsqueeze(2) * other.unsqueeze(1)).flatten(1)
        return first


def _too_large(features: int, modalities: int) -> Problem:
    largest = 1
    while (largest + 2) ** modalities <= MAX_PRODUCT:
        largest += 1
    return Problem(
        place="fusion.tensor.features",
        rule=f"the product of {modalities} modalities may have {MAX_PRODUCT} features at most, "
        f"got ({features} + 1) ** {modalities} = {(features + 1) ** modalities}",
        way_out=f"Use features = {largest} or less, or the arm low_rank.",
    )
