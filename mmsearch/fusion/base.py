"""What every fusion is: features of several modalities in, one vector per example out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class FusionSettings(BaseModel):
    """Settings of one fusion; `kind` names it in study files."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Fusion(nn.Module, ABC):
    """Several representations to one. Built from its settings and the modalities' feature counts.

    Modalities are taken by name in the order of `dims`, whatever the order in which they come.
    """

    Config: ClassVar[type[FusionSettings]]

    out_features: int
    """Features of the fused vector."""

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        self.dims = dict(dims)

    def ordered(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> list[Float[Tensor, "batch _features"]]:
        """Features as a list in the order of `dims`."""
        return [features[name] for name in self.dims]

    @abstractmethod
    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Fused features, `out_features` wide."""


class Projections(nn.Module):
    """One linear layer per modality, to a width that they share."""

    def __init__(self, dims: Mapping[str, int], features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, features) for width in dims.values())

    def forward(
        self, ordered: list[Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "modalities batch features"]:
        """Projected features, stacked by modality."""
        return torch.stack(
            [layer(value) for layer, value in zip(self.layers, ordered, strict=True)]
        )
