"""Two steps a batch: some terms step a module by an Adam of their own, all others by another.

What MIM's code does to its purification networks. Terms with a step of their own are computed
through a shadow of the module, whose weights are equal; so one backward pass sorts the gradients,
and one optimiser that holds both steps each with its own moments. `merge` then adds up the steps.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def flat_weights(module: nn.Module) -> Float[Tensor, " weights"]:
    """All weights of a module in one vector, copied."""
    return torch.cat([weight.detach().flatten() for weight in module.parameters()])


@torch.no_grad()
def merge(module: nn.Module, shadow: nn.Module, before: Float[Tensor, " weights"]) -> None:
    """Gives both modules the weights before the step plus the steps of both, in place.

    Args:
        module: has taken one of the steps.
        shadow: has taken the other; its networks are those of `module`.
        before: what weights both had before, as of `flat_weights`; becomes what they have now.
    """
    pieces = before.split_with_sizes([weight.numel() for weight in module.parameters()])
    for weight, other, piece in zip(module.parameters(), shadow.parameters(), pieces, strict=True):
        old = piece.view_as(weight)
        weight.add_(other - old)
        other.copy_(weight)
        old.copy_(weight)
