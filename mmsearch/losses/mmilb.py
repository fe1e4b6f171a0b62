"""MMILB: a lower bound on the information between two modalities, as a likelihood and an entropy.

Paper: Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for Multimodal
Sentiment Analysis, 2021, arXiv 2109.00412 (MMIM); the bound is Barber and Agakov's.
Unusual: the likelihood is fitted in a phase of its own, and the entropy looks at the batch together
with the one before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmsearch.losses.gathering import Gather, gather_together
from mmsearch.losses.precision import full_precision

FROM_TEXT = (("text", "vision"), ("text", "audio"))
WITHOUT_TEXT = ("vision", "audio")
"""The pair that text is no part of, in MMIM's direction."""


def pairs(
    names: Sequence[str], *, other: tuple[str, str] = WITHOUT_TEXT, with_other: bool
) -> dict[str, tuple[str, str]]:
    """Modalities (x, y) of each pair whose information counts, by the pair's name.

    Args:
        names: the modalities that there are.
        other: the pair that text is no part of.
        with_other: whether it counts beside text; without text it always does.
    """
    found = [pair for pair in FROM_TEXT if set(pair) <= set(names)]
    if set(other) <= set(names) and (with_other or "text" not in names):
        found.append(other)
    return {f"{x}_{y}": (x, y) for x, y in found}


@dataclass(frozen=True)
class Seen:
    """What is remembered of a batch: the whole of it, detached."""

    projected: Mapping[str, Float[Tensor, "batch _width"]]
    """By pair: what its entropy was taken of."""
    target: Float[Tensor, " batch"]


class MMILB(nn.Module):
    """Likelihood and entropy of every pair (x, y), with MMIM's Xavier-normal matrices."""

    def __init__(
        self,
        pairs: Mapping[str, tuple[str, str]],
        widths: Mapping[str, int],
        *,
        include_logvar: bool,
        memory_size: int,
    ) -> None:
        """Makes the networks of every pair.

        Args:
            pairs: modalities (x, y) by the pair's name.
            widths: features of every modality.
            include_logvar: whether the log-density keeps its -logvar/2, which MMIM's code omits.
            memory_size: examples of the largest batch, over all workers.
        """
        super().__init__()
        self.pairs = dict(pairs)
        self.likelihoods, self.entropies = nn.ModuleDict(), nn.ModuleDict()
        for name, (x, y) in pairs.items():
            self.likelihoods[name] = Likelihood(widths[x], widths[y], include_logvar=include_logvar)
            self.entropies[name] = SignedEntropy(widths[y], memory_size=memory_size)

    def misfits(
        self, views: Mapping[str, Float[Tensor, "part _features"]]
    ) -> dict[str, Float[Tensor, ""]]:
        """Negative log-likelihood of each pair, a mean over this part of the batch.

        One phase fits q(y|x) with it, the other the features; which weights move is the phase's.
        """
        return {
            name: -self.likelihoods[name](views[x], views[y].float())
            for name, (x, y) in self.pairs.items()
        }

    def entropy_terms(
        self,
        views: Mapping[str, Float[Tensor, "part _features"]],
        target: Float[Tensor, " part"],
        gather: Gather,
        *,
        epoch: int,
    ) -> tuple[dict[str, Float[Tensor, ""]], Seen]:
        """Negative entropy of each pair's y over the whole batch, and what to remember of it."""
        targets = gather(target)
        with full_precision(target):
            part = {
                name: self._entropy(name).project(views[y].float())
                for name, (_, y) in self.pairs.items()
            }
            whole = gather_together(part, gather)
            terms = {
                name: -self._entropy(name)(value, targets, epoch=epoch)
                for name, value in whole.items()
            }
        return terms, Seen({name: value.detach() for name, value in whole.items()}, targets)

    def remember(self, seen: Seen, *, epoch: int) -> None:
        """Keeps a batch in place of the one before; called once per batch, after backward."""
        for name, projected in seen.projected.items():
            self._entropy(name).remember(projected, seen.target, epoch=epoch)

    def _entropy(self, name: str) -> "SignedEntropy":
        return cast("SignedEntropy", self.entropies[name])


class Likelihood(nn.Module):
    """Gaussian q(y|x) with diagonal variance: mean and log-variance by two-layer networks."""

    def __init__(self, x_features: int, y_features: int, *, include_logvar: bool) -> None:
        super().__init__()
        self.include_logvar = include_logvar
        self.mean = _two_layers(x_features, y_features)
        self.logvar = _two_layers(x_features, y_features)

    def forward(
        self, x: Float[Tensor, "batch x_features"], y: Float[Tensor, "batch y_features"]
    ) -> Float[Tensor, ""]:
        """Mean over the batch of log q(y|x), without its constant; computed in the dtype of `y`."""
        mean, logvar = self.mean(x).to(y.dtype), self.logvar(x).to(y.dtype)
        log_density = -((mean - y) ** 2) / (2 * logvar.exp())
        if self.include_logvar:
            log_density = log_density - logvar / 2
        return log_density.sum(dim=1).mean()


def _two_layers(x_features: int, y_features: int) -> nn.Sequential:
    first, second = nn.Linear(x_features, y_features), nn.Linear(y_features, y_features)
    nn.init.xavier_normal_(first.weight)
    nn.init.xavier_normal_(second.weight)
    return nn.Sequential(first, nn.ReLU(), second)


class SignedEntropy(nn.Module):
    """Entropy of y as that of two Gaussians, one for each sign of the target.

    y is seen through a fixed random layer with tanh, a quarter as wide. The batch before is kept
    and counts with the present one. All state is in buffers, the random layer too.
    """

    weight: Tensor
    bias: Tensor
    memory: Tensor
    memory_target: Tensor
    epoch: Tensor
    batches: Tensor

    def __init__(self, y_features: int, *, memory_size: int) -> None:
        super().__init__()
        width = max(1, y_features // 4)
        layer = nn.Linear(y_features, width)
        nn.init.xavier_normal_(layer.weight)
        self.register_buffer("weight", layer.weight.detach())
        self.register_buffer("bias", layer.bias.detach())
        self.register_buffer("memory", torch.zeros(memory_size, width))
        self.register_buffer("memory_target", torch.zeros(memory_size))  # a 0 has no sign: unused
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def project(self, y: Float[Tensor, "batch y_features"]) -> Float[Tensor, "batch width"]:
        """What entropy is taken of, in (-1, 1)."""
        return torch.tanh(nn.functional.linear(y, self.weight, self.bias))

    def forward(
        self,
        projected: Float[Tensor, "batch width"],
        target: Float[Tensor, " batch"],
        *,
        epoch: int,
    ) -> Float[Tensor, ""]:
        """A quarter of the sum of both log-determinants; 0 in the first two batches of an epoch.

        Args:
            projected: the whole batch through `project`.
            target: its labels; those of exactly 0 count for neither sign.
            epoch: 1-based.
        """
        values = torch.cat([projected, self.memory])
        targets = torch.cat([target, self.memory_target])
        entropy = (log_determinant(values, targets > 0) + log_determinant(values, targets < 0)) / 4
        remembers = (self.epoch == epoch) & (self.batches > 1)
        return torch.where(remembers, entropy, torch.zeros_like(entropy))

    @torch.no_grad()
    def remember(
        self,
        projected: Float[Tensor, "batch width"],
        target: Float[Tensor, " batch"],
        *,
        epoch: int,
    ) -> None:
        """Keeps this batch, the whole of it, in place of the one before."""
        size = len(target)
        assert size <= len(self.memory), "a batch is larger than the memory was built for"
        self.memory[:size] = projected
        self.memory_target.zero_()
        self.memory_target[:size] = target
        earlier = torch.where(self.epoch == epoch, self.batches, torch.zeros_like(self.batches))
        self.batches.copy_(earlier + 1)
        self.epoch.fill_(epoch)


def log_determinant(
    values: Float[Tensor, "batch width"], members: Bool[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Log-determinant of the members' covariance (divided by their number).

    It is 0, with no gradient, where members are too few or too alike for a regular covariance.
    """
    count = members.sum()
    weight = members.to(values.dtype).unsqueeze(1)
    mean = (weight * values).sum(dim=0) / count.clamp(min=1)
    centred = (values - mean) * weight
    covariance = centred.T @ centred / count.clamp(min=1)
    width = values.shape[1]
    sign, value = torch.slogdet(covariance.detach())
    regular = (count > width) & (sign > 0) & value.isfinite()
    identity = torch.eye(width, dtype=values.dtype, device=values.device)
    return torch.logdet(torch.where(regular, covariance, identity))
