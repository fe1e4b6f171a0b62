"""What every network is: inputs of one modality in, a sequence out, and what is taken of it.

Unusual: reading a text or an image into inputs is done once, before a search, by functions beside
the network; workers hold the network alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from mmsearch.backbones.settings import Output
from mmsearch.encoders.steps import real_steps
from mmsearch.errors import Problem, StudyError

Steps = tuple[Float[Tensor, "batch _steps features"], Int[Tensor, " batch"]]
"""Padded at the end, and how many steps are real."""


class Network(nn.Module, ABC):
    """A pretrained network that reads one modality."""

    width: int
    """Features of each step."""
    has_first: bool = True
    """Whether the first step sums the others up, as CLS does."""

    @abstractmethod
    def forward(
        self, inputs: Shaped[Tensor, "batch _steps ..."], lengths: Int[Tensor, " batch"]
    ) -> Steps:
        """The last layer's steps."""


@dataclass(frozen=True)
class Inputs:
    """One split as a network takes it."""

    values: Shaped[np.ndarray, "rows _steps ..."]
    """Tokens (rows, steps), images (rows, 1, channel, height, width) or samples (rows, steps)."""
    lengths: Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class Source:
    """A network and how entries of its modality become its inputs."""

    network: Network
    read: Callable[[Sequence[str]], Inputs]
    """Texts, or paths of images or sounds."""
    identity: str
    """Of the weights and of how entries are read; the same on every machine."""
    example: Inputs
    """One entry, of nothing in particular."""
    padding: int = 0
    """What inputs are padded with."""
    rows: int = 32
    """Entries that are computed together where the network stays as it is."""


def taken(output: Output, steps: Steps) -> Steps:
    """What a method gets of the last layer: sequences, those of `first` and `mean` of one step.

    Padding becomes zero, whatever the network left there.
    """
    values, lengths = steps
    values = values.masked_fill(~real_steps(lengths, values.shape[1]).unsqueeze(2), 0.0)
    if output == "steps":
        return values, lengths
    if output == "rest":
        return values[:, 1:], (lengths - 1).clamp(min=1)
    if output == "first":
        return values[:, :1], torch.ones_like(lengths)
    mean = values.sum(dim=1) / lengths.unsqueeze(1).to(values.dtype)
    return mean.unsqueeze(1), torch.ones_like(lengths)


def freeze_unused(source: Source) -> None:
    """Lets only those weights learn that the last layer depends on: no pooler, no mask token."""
    example = source.example
    with torch.enable_grad():
        states, _ = source.network(
            torch.from_numpy(example.values), torch.from_numpy(example.lengths)
        )
    waiting, known, used = [states.grad_fn], set[object](), set[object]()
    while waiting:
        node = waiting.pop()
        if node is None or node in known:
            continue
        known.add(node)
        used.add(getattr(node, "variable", None))
        waiting += [following for following, _ in node.next_functions]
    for parameter in source.network.parameters():
        parameter.requires_grad_(parameter in used)


def missing(model: str, package: str) -> StudyError:
    """The answer where a package that reads networks is not installed."""
    rule = f"needs the package {package}, which is not installed"
    way_out = f'Run pip install "mmsearch[backbones]" {package}.'
    return StudyError(Problem(f"model {model!r}", rule, way_out))
