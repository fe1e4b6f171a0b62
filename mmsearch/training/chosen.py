"""The weights of a trial's chosen epoch, long after the trial: no DeepSpeed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmsearch import methods
from mmsearch.datasets.task import Task
from mmsearch.errors import Problem, TrainingError, reason_of
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.checkpoint import BEST
from mmsearch.training.engine import Learner
from mmsearch.training.front import Front
from mmsearch.training.optimizer import trained_groups


def restored(
    study: Study, config: Mapping[str, Any], *, seed: Seed, task: Task, folder: Path
) -> Learner:
    """A method, and what is under it, as the trial had them at the epoch of its value.

    Args:
        study: what was trained.
        config: the method's complete configuration.
        seed: root of the trial's streams: weights that are not trained are drawn by it.
        task: as the configuration's trial saw it.
        folder: a checkpoint that `Trainer.save` wrote.

    Raises:
        TrainingError: there is no such checkpoint, or its weights are another configuration's.
    """
    torch.manual_seed(seed.stream("weights"))
    method = methods.build(study.method, config, task)
    trained_groups(method)  # Freezes what a checkpoint leaves out.
    learner = Learner(method, Front(methods.complete(study.method, config)))
    _restore(learner, folder / BEST)
    learner.eval()
    for weight in learner.parameters():  # Memories keep their type, as they do in an engine.
        weight.data = weight.data.to(settings.dtype(study))
    return learner


def _restore(learner: Learner, path: Path) -> None:
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        rule = f"the weights of the chosen epoch cannot be read ({reason_of(error)})"
        raise _lost(path, rule) from error
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
        raise _lost(path, rule) from error
    if missing or strange:
        raise _lost(path, f"the weights are of another configuration: {sorted(missing) or strange}")


def _lost(path: Path, rule: str) -> TrainingError:
    way_out = "Bring the folder back as training left it, or train it again."
    return TrainingError(Problem(str(path), rule, way_out))
