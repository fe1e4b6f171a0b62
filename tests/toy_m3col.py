"""M3CoL on toy data, built small, mixed as told, and computed by hand: what its tests share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import toy_data

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.losses.mixup import Mixup
from mmsearch.methods import m3col
from mmsearch.methods.base import Progress
from mmsearch.methods.m3col import M3CoL

SMALL = {"features": 12, "hidden": 7}
OMICS = ("mrna", "methylation", "mirna")
ROWS = 11
MAX_EPOCHS = 9
SOFT = 5
"""An epoch of MultiSClip; the first is one of M3Co."""


def built(*names: str, **config: Any) -> M3CoL:
    """A small M3CoL that trains."""
    torch.manual_seed(0)
    task = toy_data(names or OMICS, steps=1, classes=3).task
    method = methods.build("m3col", {**SMALL, **config}, task)
    assert isinstance(method, M3CoL)
    return method


def batch_of(*names: str) -> Batch:
    return toy_data(names or OMICS, steps=1, classes=3).train.take(torch.arange(ROWS))


def terms_of(method: M3CoL, epoch: int = 1) -> dict[str, float]:
    terms = method.losses(batch_of(*method.names), Progress(epoch, MAX_EPOCHS))
    return {name: term.item() for name, term in terms.items()}


def told(index: int, *, share: float) -> Mixup:
    """The mixup that is drawn as number `index`: every third example is its own partner."""
    generator = np.random.default_rng(index)
    kept = np.where(generator.uniform(size=ROWS) < share, generator.uniform(size=ROWS), 1.0)
    partners = np.arange(ROWS)
    moved = np.arange(ROWS) % 3 > 0
    partners[moved] = generator.permutation(partners[moved])
    return Mixup(torch.tensor(kept, dtype=torch.float32), torch.tensor(partners))


def tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets draws be those of `told`, whatever the worker and its generator."""

    def draw(
        like: Tensor, gather: Callable[[Tensor], Tensor], *, count: int, beta: float, share: float
    ) -> list[Mixup]:
        return [told(index, share=share) for index in range(count)]

    monkeypatch.setattr(m3col, "draw", draw)


def array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def through(layers: nn.Module, x: np.ndarray) -> np.ndarray:
    """Linear, ReLU, linear."""
    weights = [array(weight) for weight in layers.parameters()]
    hidden = np.maximum(x @ weights[0].T + weights[1], 0.0)
    return hidden @ weights[2].T + weights[3]


def embedded(method: M3CoL, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: through(method.encoders[name], x) for name, x in vectors.items()}


def vectors_of(batch: Batch) -> dict[str, np.ndarray]:
    return {name: array(value[:, 0]) for name, value in batch.inputs.items()}


def mixed_by(mixup: Mixup, values: np.ndarray) -> np.ndarray:
    kept = array(mixup.kept)[:, None]
    return kept * values + (1 - kept) * values[mixup.partners.numpy()]


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def cross_entropy(logits: np.ndarray, target: Sequence[int]) -> float:
    rows = log_probabilities(logits)
    return -float(np.mean([row[label] for row, label in zip(rows, target, strict=True)]))


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.sqrt((values**2).sum(axis=1, keepdims=True))
