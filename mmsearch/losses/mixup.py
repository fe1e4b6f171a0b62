"""Mixup: examples blended with partners of the same batch, and who draws what in a gang.

Paper: mixup: Beyond Empirical Risk Minimization, 2018, arXiv 1710.09412.
Unusual: a batch that is spread over workers is mixed as one. Every worker draws for its own rows
from its own generator; what is drawn is gathered, so that all of them hold the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from mmsearch.losses.gathering import Gather


@dataclass(frozen=True)
class Mixup:
    """Who is blended with whom, and how much of an example is kept."""

    kept: Float[Tensor, " batch"]
    """Share lambda of each example that is its own."""
    partners: Int[Tensor, " batch"]
    """Position of the example that gives the rest: a permutation, which may have fixed points."""

    def of(self, values: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The blended examples: vectors, images, or samples of sound."""
        kept = self.kept.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
        return kept * values + (1 - kept) * values[self.partners]


def draw(
    like: Shaped[Tensor, "part ..."], gather: Gather, *, count: int, beta: float, share: float
) -> list[Mixup]:
    """Independent mixups of the whole batch, the same on every worker.

    Args:
        like: any tensor of this worker's part of the batch: its number of rows and its device.
        gather: makes the part the whole.
        count: how many mixups.
        beta: lambda is from Beta(beta, beta): the smaller, the nearer to 0 or 1.
        share: probability that an example is blended at all; the others keep all of themselves.
    """
    shape, device = (len(like), count), like.device
    parameter = torch.full(shape, beta, device=device)
    kept: Tensor = torch.distributions.Beta(parameter, parameter, validate_args=False).sample()
    kept = kept.masked_fill(torch.rand(shape, device=device) >= share, 1.0)
    whole = gather(torch.stack([kept, torch.rand(shape, device=device)], dim=2))
    # Sorting random keys is a permutation; those of 24 bits may tie, so the order must be stable.
    partners = whole[:, :, 1].argsort(dim=0, stable=True)
    return [Mixup(whole[:, index, 0], partners[:, index]) for index in range(count)]


def positions(rows: Int[Tensor, " part"], whole: Int[Tensor, " batch"]) -> Int[Tensor, " part"]:
    """Where these rows stand in the whole batch, which has each row once."""
    return (rows.unsqueeze(1) == whole).int().argmax(dim=1)
