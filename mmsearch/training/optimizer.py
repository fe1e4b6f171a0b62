"""Adam over a method's parameter groups, with L2 weight decay, and the gradient norm as a curve.

Unusual: at ZeRO stage 0 DeepSpeed keeps no gradient norm, and clips with a round of communication
that its reduced gradients do not need. `NormedAdam` measures and clips there; at the other stages
DeepSpeed does. At every stage a weight that got no gradient is stepped as if it were zero, so that
momentum and weight decay move it, as DeepSpeed does where it reduces gradients; plain PyTorch skips
it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmsearch.methods.base import Method, ParameterGroup


class NormedAdam(torch.optim.Adam):
    """Adam that measures the norm of all gradients before each step, and clips to it if asked."""

    def __init__(self, groups: list[dict[str, Any]], *, clipping: float) -> None:
        super().__init__(groups, fused=True)
        self.clipping = clipping
        # Otherwise a gradient scaler leaves the unscaling to the kernel, after the norm.
        self._step_supports_amp_scaling = False
        # DeepSpeed reads the norm under this name from whatever optimiser it was given.
        self._global_grad_norm: Tensor | None = None

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Measures, clips, steps."""
        assert closure is None
        parameters = [p for group in self.param_groups for p in group["params"]]
        for parameter in parameters:
            if parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in parameters if p.grad is not None]
        # One call for all gradients, on CPUs too, where torch.nn.utils goes one by one.
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # noqa: SLF001
        if self.clipping > 0.0:
            torch._foreach_mul_(gradients, (self.clipping / (norm + 1e-6)).clamp(max=1.0))
        self._global_grad_norm = norm
        super().step()


def adam(groups: Sequence[ParameterGroup], *, normed_clipping: float | None) -> torch.optim.Adam:
    """Adam (betas 0.9, 0.999; eps 1e-8) whose weight decay is added to the gradient.

    Args:
        groups: what to train; none may be empty.
        normed_clipping: largest gradient norm, where the optimiser is to measure and clip itself
            (0 only measures); None where DeepSpeed does both.
    """
    tables = [
        {
            "params": list(group.parameters),
            "lr": group.learning_rate,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]
    if normed_clipping is None:
        return torch.optim.Adam(tables, fused=True)
    return NormedAdam(tables, clipping=normed_clipping)


def trained_groups(method: Method) -> list[ParameterGroup]:
    """The method's non-empty groups, after freezing its `fixed_weights`.

    Every weight is in exactly one group or takes no gradient; a method that breaks this is a bug.
    """
    groups = [group for group in method.parameter_groups() if group.parameters]
    names = {id(p): name for name, p in method.named_parameters()}
    grouped = [id(p) for group in groups for p in group.parameters]
    assert len(grouped) == len(set(grouped)), "a weight is in two parameter groups"
    assert set(grouped) <= names.keys(), "a parameter group holds what the method does not"
    for name, parameter in method.named_parameters():
        if name.startswith(method.fixed_weights):
            parameter.requires_grad_(requires_grad=False)
        assert parameter.requires_grad == (id(parameter) in grouped), (
            f"weight {name} takes gradients and is in no parameter group, or the reverse"
        )
    assert len({group.name for group in groups}) == len(groups), "two groups share a name"
    return groups
