"""Self-MI on toy data, built and visited by hand: what its tests share."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from toys import toy_data

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.methods.base import Progress
from mmsearch.methods.selfmi import SelfMI

SPACES = ("fusion", "text", "audio", "vision")


def built(*names: str, **config: Any) -> SelfMI:
    torch.manual_seed(0)
    data = toy_data(names or ("text", "audio", "vision"))
    method = methods.build("selfmi", config, data.task)
    assert isinstance(method, SelfMI)
    return method.eval()


def values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def terms_of(method: SelfMI, epoch: int = 1, phase: str = "main") -> dict[str, float]:
    train = toy_data(tuple(method.names)).train.take(torch.arange(16))
    return values(method.losses(train, Progress(epoch, 9, phase)))


def visit(method: SelfMI, batch: Batch, epoch: int) -> dict[str, float]:
    terms = values(method.losses(batch, Progress(epoch, 9)))
    method.after_backward(batch, Progress(epoch, 9))
    return terms
