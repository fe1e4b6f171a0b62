"""MLP: two layers over one vector per example, the encoder and the classifier of omics views."""

from collections.abc import Sequence
from itertools import pairwise

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
        self.layers = perceptron([in_features, config.features, config.features])

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Features of each example, from the mean of its first `lengths` steps; unbounded."""
        return self.layers(mean_of_steps(sequence, lengths))


def perceptron(widths: Sequence[int], *, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers with ReLU in between; Xavier-normal matrices and zero biases.

    Args:
        widths: of the input, of what is between layers, and of the output.
        dropout: behind the first ReLU.
    """
    linears = [nn.Linear(before, after) for before, after in pairwise(widths)]
    for layer in linears:
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    first, *rest = linears
    modules: list[nn.Module] = [first]
    for index, layer in enumerate(rest):
        modules += [nn.ReLU(), *([nn.Dropout(dropout)] if index == 0 else []), layer]
    return nn.Sequential(*modules)
