"""Gathering several tensors of one batch over a gang's workers in one exchange."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

Gather = Callable[[Tensor], Tensor]
"""Concatenates a tensor over the gang's workers along dimension 0 (`methods.base.Progress`)."""


def gather_together(
    tensors: Mapping[str, Float[Tensor, "part _features"]], gather: Gather
) -> dict[str, Float[Tensor, "batch _features"]]:
    """Each worker's part of the batch to the whole batch, for all tensors by one call of `gather`.

    They are joined along their features meanwhile, so they share one dtype. At least one.
    """
    widths = [tensor.shape[1] for tensor in tensors.values()]
    whole = gather(torch.cat(list(tensors.values()), dim=1))
    return dict(zip(tensors, torch.split_with_sizes(whole, widths, dim=1), strict=True))
