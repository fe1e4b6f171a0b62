"""What the weights of a trial's chosen epoch say of a split, long after the trial: no DeepSpeed.

Unusual: which split that is, this room does not know and does not ask.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmsearch import backbones, methods, metrics
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData
from mmsearch.errors import Problem, TrainingError, reason_of
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.checkpoint import BEST
from mmsearch.training.engine import Learner
from mmsearch.training.evaluation import READ_ROWS, ROWS
from mmsearch.training.front import Front
from mmsearch.training.memory import weights
from mmsearch.training.optimizer import trained_groups

WAY_OUT = "Bring the folder back as training left it; nothing is trained again for this."


def judge(
    study: Study, config: Mapping[str, Any], *, seed: Seed, data: SearchData, folder: Path
) -> dict[str, dict[str, float]]:
    """Metrics of a trial's chosen epoch on both splits of the data, in original units.

    Args:
        study: what was trained.
        config: the method's complete configuration.
        seed: root of the trial's streams: weights that are not trained are drawn by it.
        data: with its views, if networks read any of it.
        folder: a checkpoint that `Trainer.save` wrote.

    Returns:
        By `train` and `valid`, whatever the data calls so, and metric.

    Raises:
        TrainingError: there is no such checkpoint, or its weights are another configuration's.
    """
    checked = methods.complete(study.method, config)
    own = backbones.seen(data, checked)
    torch.manual_seed(seed.stream("weights"))
    method = methods.build(study.method, config, own.task)
    trained_groups(method)  # Freezes what a checkpoint leaves out.
    learner = Learner(method, Front(checked))
    _restore(learner, folder)
    learner.eval()
    for weight in learner.parameters():  # Memories keep their type, as they do in an engine.
        weight.data = weight.data.to(settings.dtype(study))
    found: dict[str, dict[str, float]] = {}
    decode = own.task.transform.decode
    for name, split in (("train", own.train), ("valid", own.valid)):
        predicted = _predict(learner, split, settings.dtype(study))
        found[name] = metrics.measure(
            own.task.metrics, decode(predicted), decode(split.target.cpu())
        )
    return found


def num_weights(study: Study, config: Mapping[str, Any], data: SearchData) -> int:
    """Trained weights of a configuration, networks that learn along included."""
    checked = methods.complete(study.method, config)
    task = backbones.seen_task(data.task, data.views, checked)
    method = methods.build(study.method, config, task)
    return weights(study, method, Front(checked)).trained


def _restore(learner: Learner, folder: Path) -> None:
    path = folder / BEST
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        rule = f"the weights of the chosen epoch cannot be read ({reason_of(error)})"
        raise TrainingError(Problem(str(path), rule, WAY_OUT)) from error
    state = {
        name if name.startswith("backbones.") else f"method.{name}": value
        for name, value in kept.items()
    }
    fixed = {name for name, p in learner.named_parameters() if not p.requires_grad}
    missing = learner.state_dict().keys() - fixed - state.keys()
    try:
        strange = learner.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        rule = f"the weights are of another configuration ({reason_of(error)})"
        raise TrainingError(Problem(str(path), rule, WAY_OUT)) from error
    if missing or strange:
        rule = f"the weights are of another configuration: {sorted(missing) or strange}"
        raise TrainingError(Problem(str(path), rule, WAY_OUT))


def _predict(learner: Learner, split: Batch, dtype: torch.dtype) -> torch.Tensor:
    rows_at_once = READ_ROWS if len(learner.backbones) else ROWS
    parts: list[torch.Tensor] = []
    with torch.no_grad():
        for rows in torch.arange(len(split)).split(rows_at_once):
            predicted = learner(split.take(rows).to(torch.device("cpu"), dtype))
            parts.append(predicted.float())
    return torch.cat(parts)
