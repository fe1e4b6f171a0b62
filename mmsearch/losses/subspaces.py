"""Subspaces: shared representations made alike, and told apart from the private ones (MISA).

Paper: MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis,
2020, arXiv 2005.03545; likeness is the central moment discrepancy of arXiv 1702.08811, without its
scaling by the range of values, as MISA's code has it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

MOMENTS = 5
EPSILON = 1e-6


def moment_discrepancy(
    left: Float[Tensor, "batch width"],
    right: Float[Tensor, "batch width"],
    *,
    moments: int = MOMENTS,
) -> Float[Tensor, ""]:
    """Distance of the means plus those of the central moments of order 2 up to `moments`.

    Couples the whole batch. Where two moments are equal their distance has no gradient.
    """
    means = left.mean(dim=0), right.mean(dim=0)
    distances = [torch.dist(*means)]
    centred = left - means[0], right - means[1]
    for order in range(2, moments + 1):
        first, second = ((values**order).mean(dim=0) for values in centred)
        distances.append(torch.dist(first, second))
    return torch.stack(distances).sum()


def overlap(
    left: Float[Tensor, "batch width"], right: Float[Tensor, "batch width"]
) -> Float[Tensor, ""]:
    """Mean square of the products of every left with every right column: 0 if orthogonal.

    Columns are centred over the batch, then rows are brought to length 1, the length having no
    gradient. Couples the whole batch; 0 for a batch of one.
    """
    first, second = (_unit_rows(values - values.mean(dim=0)) for values in (left, right))
    return (first.T @ second).square().mean()


def _unit_rows(values: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
    lengths = values.detach().square().sum(dim=1, keepdim=True).sqrt()
    return values / (lengths + EPSILON)
