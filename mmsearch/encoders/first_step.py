"""First step: a sequence is represented by its first step, as BERT's CLS position is."""

from jaxtyping import Float, Int
from torch import Tensor

from mmsearch.encoders.base import Encoder


class FirstStep(Encoder):
    """Features of step 0, nothing learned: what text comes in as when its features are given."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features

    def forward(
        self,
        sequence: Float[Tensor, "batch steps features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch features"]:
        """The first step of every sequence."""
        del lengths
        return sequence[:, 0]
