"""LSTM: the last hidden state of a one-layer LSTM, projected (Self-MM's audio and vision encoder).

Paper: Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
Multimodal Sentiment Analysis, 2021.
Differs from the paper: its dropout, 0 in every published row, is left out.
"""

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.encoders.base import Encoder, EncoderSettings
from mmsearch.encoders.steps import last_steps


class LastState(Encoder):
    """Hidden state of an LSTM at each example's last real step, through a linear layer."""

    class Config(EncoderSettings):
        """Settings of the LSTM."""

        hidden: int = Field(ge=1)
        """Width of the hidden state."""
        features: int = Field(ge=1)
        """Width of the features that come out."""

    def __init__(self, config: Config, in_features: int) -> None:
        super().__init__()
        self.out_features = config.features
        self.lstm = nn.LSTM(in_features, config.hidden, batch_first=True)
        self.output = nn.Linear(config.hidden, config.features)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Features of each example, from its first `lengths` steps."""
        # In one direction a state never sees later steps, so reading it at the last real step is
        # what packing computes, without packing's loop over steps on a CPU.
        states, _ = self.lstm(sequence)
        return self.output(last_steps(states, lengths))
