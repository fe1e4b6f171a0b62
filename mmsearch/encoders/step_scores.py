"""Step scores: one number for each step of a sequence, the logits of MIM's purification gates.

Paper: Multimodal Information Modulation (MIM), its Unimodal Purification Network.
Differs from the paper: its code mixes the scores of T steps by Linear(T, T // 5) and back, for one
fixed T; here an example's scores are stretched to a grid of T points, mixed, and read back at its
own steps, so that any length works, and an example of T steps is computed as there.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmsearch.encoders.steps import without_padding


class StepScores(nn.Module):
    """LSTMs in both directions, a score of each step, and a mixture of the scores over time.

    With a single step there is nothing to mix or to choose from: the score is a function of that
    step alone.
    """

    def __init__(self, features: int, *, points: int = 50, relu: bool = False) -> None:
        """Makes the networks.

        Args:
            features: width of each step, at least 2.
            points: of the grid on which scores are mixed, T; at least 5.
            relu: whether a step's score passes a ReLU before the mixture, as in MIM's code.
        """
        super().__init__()
        half = features // 2
        self.points = points
        self.ahead = nn.LSTM(features, half, batch_first=True)
        self.back = nn.LSTM(features, half, batch_first=True)
        last = [nn.ReLU()] if relu else []
        self.score = nn.Sequential(nn.Linear(2 * half, half), nn.ReLU(), nn.Linear(half, 1), *last)
        self.mixture = nn.Sequential(
            nn.Linear(points, points // 5), nn.ReLU(), nn.Linear(points // 5, points)
        )

    def forward(
        self, sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch steps"]:
        """Score of every step; those beyond an example's length mean nothing."""
        ahead, _ = self.ahead(sequence)
        back, _ = self.back(turned(sequence, lengths))
        states = torch.cat([ahead, turned(back, lengths)], dim=2)
        scores = self.score(states).squeeze(2)
        grid = torch.full_like(lengths, self.points)
        mixed = self.mixture(stretched(scores, lengths, grid, points=self.points))
        return stretched(mixed, grid, lengths, points=sequence.shape[1])


def turned(
    sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch steps features"]:
    """Each example's real steps in reverse order; the padding stays where it is, as zeros.

    An LSTM over it is the backward direction of a packed bidirectional one, without packing's loop
    over steps on a CPU and its lengths on a GPU's host.
    """
    steps = torch.arange(sequence.shape[1], device=lengths.device)
    index = (lengths.unsqueeze(1) - 1 - steps).clamp(min=0)
    return without_padding(sequence.gather(1, index.unsqueeze(2).expand_as(sequence)), lengths)


def stretched(
    values: Float[Tensor, "batch steps"],
    lengths: Int[Tensor, " batch"],
    targets: Int[Tensor, " batch"],
    *,
    points: int,
) -> Float[Tensor, "batch points"]:
    """Each example's first `lengths` values, interpolated linearly at `targets` even points.

    The first and last point are the first and last value; a single point lies in the middle. What
    comes after an example's points repeats its last value.
    """
    last = (lengths - 1).unsqueeze(1)
    gaps = (targets - 1).unsqueeze(1)
    grid = torch.arange(points, device=values.device)
    place = torch.where(gaps > 0, grid * (last / gaps.clamp(min=1)), last / 2)
    place = place.clamp(min=torch.zeros_like(place), max=last.to(place.dtype))
    left = place.long()
    right = torch.minimum(left + 1, last)
    share = (place - left).to(values.dtype)
    return torch.lerp(values.gather(1, left), values.gather(1, right), share)
