"""Predictions of a split over the gang, and the field's metrics of them in original units."""

import torch
from jaxtyping import Float
from torch import Tensor

from mmsearch import metrics
from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.training.engine import Engines
from mmsearch.training.gather import Share

ROWS = 256
"""Examples per forward pass of one worker; not the configuration's batch size, on which no number
that compares configurations may depend."""
READ_ROWS = 32
"""The same where networks that learn along read them: of sounds the first layer alone takes a
gigabyte or two."""


def evaluate(engines: Engines, split: Batch, task: Task) -> dict[str, float]:
    """Metrics of the method on a split, in original units; the same on every worker.

    Args:
        engines: what is evaluated; left in evaluation mode.
        split: all its rows are predicted, each by one worker.
        task: transform of the target, and the family of metrics.
    """
    engines.learner.eval()
    with torch.no_grad():
        predictions = _predict(engines, split)
    decode = task.transform.decode
    return metrics.measure(task.metrics, decode(predictions.cpu()), decode(split.target.cpu()))


def _predict(engines: Engines, split: Batch) -> Float[Tensor, "split ..."]:
    """Predictions in model units, or logits, in the order of the split."""
    share = Share(len(split), engines.worker)
    rows = share.of(torch.arange(len(split)))
    # Every worker makes as many passes as the one with most rows: stage 3 needs all at each.
    rows_at_once = READ_ROWS if len(engines.learner.backbones) else ROWS
    passes = -(-max(share.sizes) // rows_at_once)
    parts: list[Tensor] = []
    for part in rows.tensor_split(passes):
        parts.append(engines.predict(engines.take(split, part)))
        engines.worker.pulse()
    return share.gather(torch.cat(parts))
