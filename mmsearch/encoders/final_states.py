"""Final states: two bidirectional LSTMs, one on the other, and the last states of both.

Paper: MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis,
2020, arXiv 2005.03545: its audio and vision encoder.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.encoders.base import Encoder, EncoderSettings
from mmsearch.encoders.step_scores import turned
from mmsearch.encoders.steps import last_steps


class FinalStates(Encoder):
    """The last state of each direction of each LSTM; a norm lies between the two."""

    class Config(EncoderSettings):
        """Settings of the LSTMs."""

        hidden: int = Field(ge=1)
        """Width of each direction's state; four of them come out."""

    def __init__(self, config: Config, in_features: int) -> None:
        super().__init__()
        hidden = config.hidden
        self.out_features = 4 * hidden
        self.first = _BothWays(in_features, hidden)
        self.norm = nn.LayerNorm(2 * hidden)
        self.second = _BothWays(2 * hidden, hidden)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Last states of each example, over its first `lengths` steps."""
        states, first = self.first(sequence, lengths)
        _, second = self.second(self.norm(states), lengths)
        return torch.cat([first, second], dim=1)


class _BothWays(nn.Module):
    """One LSTM forwards and one backwards, each over the real steps alone."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(in_features, hidden, batch_first=True)
        self.back = nn.LSTM(in_features, hidden, batch_first=True)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> tuple[Float[Tensor, "batch steps states"], Float[Tensor, "batch states"]]:
        """States of every step, and the last ones: of the last real step, and of the first."""
        ahead, _ = self.ahead(sequence)
        back, _ = self.back(turned(sequence, lengths))
        last = [last_steps(states, lengths) for states in (ahead, back)]
        return torch.cat([ahead, turned(back, lengths)], dim=2), torch.cat(last, dim=1)
