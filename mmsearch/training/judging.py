"""What the weights of a trial's chosen epoch say of a split, long after the trial.

Unusual: which split lies in the place of `valid`, this room does not know and does not ask.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmsearch import backbones, methods, metrics
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.chosen import restored
from mmsearch.training.engine import Learner
from mmsearch.training.evaluation import READ_ROWS, ROWS
from mmsearch.training.front import Front
from mmsearch.training.memory import weights


def judge(
    study: Study, config: Mapping[str, Any], *, seed: Seed, data: SearchData, folder: Path
) -> dict[str, float]:
    """Metrics of a trial's chosen epoch on the data's `valid`, in original units, by name.

    Args:
        study: what was trained.
        config: the method's complete configuration.
        seed: root of the trial's streams: weights that are not trained are drawn by it.
        data: with its views, if networks read any of it.
        folder: a checkpoint that `Trainer.save` wrote.

    Raises:
        TrainingError: there is no such checkpoint, or its weights are another configuration's.
    """
    own = backbones.seen(data, methods.complete(study.method, config))
    learner = restored(study, config, seed=seed, task=own.task, folder=folder)
    predicted = _predict(learner, own.valid, settings.dtype(study))
    decode = own.task.transform.decode
    return metrics.measure(own.task.metrics, decode(predicted), decode(own.valid.target.cpu()))


def num_weights(study: Study, config: Mapping[str, Any], data: SearchData) -> int:
    """Trained weights of a configuration, networks that learn along included."""
    checked = methods.complete(study.method, config)
    task = backbones.seen_task(data.task, data.views, checked)
    method = methods.build(study.method, config, task)
    return weights(study, method, Front(checked)).trained


def _predict(learner: Learner, split: Batch, dtype: torch.dtype) -> torch.Tensor:
    rows_at_once = READ_ROWS if len(learner.backbones) else ROWS
    parts: list[torch.Tensor] = []
    with torch.no_grad():
        for rows in torch.arange(len(split)).split(rows_at_once):
            predicted = learner(split.take(rows).to(torch.device("cpu"), dtype))
            parts.append(predicted.float())
    return torch.cat(parts)
