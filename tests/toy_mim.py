"""MIM on toy data, built small and taken apart by hand: what its tests share."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from toys import toy_data

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.encoders import mean_of_steps
from mmsearch.methods.base import Progress
from mmsearch.methods.mim import MIM

SMALL = {"features": 6, "heads": 3, "layers": 1, "fusion": {"kind": "sum", "features": 4}}
HALF_SHUT = {"gate_bias": 0.05}
"""Toy gates that open on some steps and not on others, without noise."""
NAMES = ("text", "audio", "vision")


def built(*names: str, **config: Any) -> MIM:
    """A small MIM in evaluation mode, so that neither dropout nor gates are random."""
    torch.manual_seed(0)
    method = methods.build("mim", {**SMALL, **config}, toy_data(names or NAMES).task)
    assert isinstance(method, MIM)
    return method.eval()


def batch_of(*names: str, rows: int = 16) -> Batch:
    return toy_data(names or NAMES).train.take(torch.arange(rows))


def values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def terms_of(method: MIM, batch: Batch | None = None) -> dict[str, float]:
    return values(method.losses(batch or batch_of(*method.names), Progress(1, 9)))


@torch.no_grad()
def vectors(method: MIM, batch: Batch) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """By modality: u_m, p_m and gate scores, one step at a time from the method's networks."""
    found = {}
    for name in method.names:
        lengths = batch.lengths[name]
        sequence = method.encoders[name](batch.inputs[name], lengths)
        scores = method.upn[name](sequence, lengths)
        gates = (method.gate.soft_gates(scores, None) > method.config.gate_threshold).float()
        activated = {"tanh": torch.tanh, "relu": torch.relu, "gelu": torch.nn.functional.gelu}
        act = activated[method.config.activation]
        unmasked = mean_of_steps(act(sequence), lengths)
        purified = mean_of_steps(act(gates.unsqueeze(2) * sequence), lengths)
        found[name] = unmasked, purified, scores
    return found


@torch.no_grad()
def predictions(method: MIM, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """By modality: what its head predicts from u_m and from p_m."""
    return {
        name: tuple(v @ method.heads[name].weight[0] + method.heads[name].bias for v in (u, p))
        for name, (u, p, _) in vectors(method, batch).items()
    }
