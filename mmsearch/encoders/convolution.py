"""Temporal convolution: every step with its neighbours to one width, as MulT and MIM begin."""

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.encoders.base import EncoderSettings
from mmsearch.encoders.steps import StepEncoder, without_padding


class TemporalConvolution(StepEncoder):
    """One convolution over time without bias, padded with zeros so that the length stays."""

    class Config(EncoderSettings):
        """Settings of the convolution."""

        features: int = Field(ge=1)
        """Width of each step that comes out."""
        reach: int = Field(ge=0)
        """Neighbours seen on either side: the kernel spans 2 * reach + 1 steps."""

    def __init__(self, config: Config, in_features: int) -> None:
        super().__init__()
        self.out_features = config.features
        self.convolution = nn.Conv1d(
            in_features,
            config.features,
            2 * config.reach + 1,
            padding=config.reach,
            bias=False,
        )

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch steps out_features"]:
        """Features of every step; beyond an example's ends lie zeros."""
        channels = without_padding(sequence, lengths).transpose(1, 2)
        return without_padding(self.convolution(channels).transpose(1, 2), lengths)
