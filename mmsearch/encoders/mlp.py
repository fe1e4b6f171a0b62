"""MLP: two layers over one vector per example, the encoder and the classifier of omics views."""

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.encoders.base import Encoder, EncoderSettings
from mmsearch.encoders.steps import mean_of_steps


class MLP(Encoder):
    """The mean of an example's real steps through two layers; a vector is a single step."""

    class Config(EncoderSettings):
        """Settings of the layers."""

        features: int = Field(ge=1)
        """Width of both layers, and of the features that come out."""

    def __init__(self, config: Config, in_features: int) -> None:
        super().__init__()
        self.out_features = config.features
        self.layers = two_layers(in_features, config.features, config.features)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Features of each example, from the mean of its first `lengths` steps; unbounded."""
        return self.layers(mean_of_steps(sequence, lengths))


def two_layers(
    in_features: int, hidden: int, out_features: int, *, dropout: float = 0.0
) -> nn.Sequential:
    """Linear, ReLU, dropout, linear; Xavier-normal matrices and zero biases."""
    first, second = nn.Linear(in_features, hidden), nn.Linear(hidden, out_features)
    for layer in (first, second):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), second)
