"""What every encoder is: padded sequences of one modality in, one vector per example out."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class EncoderSettings(BaseModel):
    """Settings of one encoder."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Encoder(nn.Module, ABC):
    """One modality to features; steps beyond an example's length have no effect."""

    out_features: int
    """Width of the features."""

    @abstractmethod
    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Features of each example, from its first `lengths` steps."""
