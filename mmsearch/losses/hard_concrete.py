"""Hard-concrete gates: random gates that are open or shut, and yet pass a gradient.

Paper: Learning Sparse Neural Networks through L0 Regularization, 2018, arXiv 1712.01312; in the
form of MIM, whose gates are made binary by a threshold.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

EDGE = 1e-6
"""Distance from 0 and 1 that uniform noise keeps."""


@dataclass(frozen=True)
class HardConcrete:
    """A distribution of gates given their scores; its upper end zeta is 1, as in MIM."""

    bias: float
    """Added to every score (MIM's loc_bias)."""
    temperature: float
    """Divides score and noise; the nearer to 0, the nearer to binary before the threshold."""
    gamma: float
    """Lower end of the stretched gate, below 0."""
    threshold: float
    """Stretched gate above which a gate is open."""

    def gates(
        self, scores: Float[Tensor, "*n"], noise: Float[Tensor, "*n"] | None
    ) -> Float[Tensor, "*n"]:
        """1 where a gate is open, 0 where it is shut; the gradient is that of `soft_gates`.

        Args:
            scores: the higher, the likelier open.
            noise: uniform in (0, 1); None is the noise-free gate, as if all of it were 1/2.
        """
        soft = self.soft_gates(scores, noise)
        return (soft > self.threshold).to(soft.dtype) + (soft - soft.detach())

    def soft_gates(
        self, scores: Float[Tensor, "*n"], noise: Float[Tensor, "*n"] | None
    ) -> Float[Tensor, "*n"]:
        """Gates in [0, 1] before the threshold: stretched to [gamma, 1], then clipped."""
        logits = scores + self.bias
        if noise is not None:
            logits = logits + torch.logit(noise)
        concrete = torch.sigmoid(logits / self.temperature)
        return (concrete * (1 - self.gamma) + self.gamma).clamp(0.0, 1.0)

    def open_probability(self, scores: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Probability that the clipped gate is above 0: what a penalty on open gates is made of."""
        return torch.sigmoid(scores + self.bias - self.temperature * math.log(-self.gamma))


def uniform_noise(like: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Noise of this shape on this device from its random stream, a hair away from 0 and 1."""
    return torch.empty_like(like, requires_grad=False).uniform_(EDGE, 1 - EDGE)
