"""What a learning-rate schedule multiplies the rates by in an epoch, from the epochs before it.

Unusual: schedules keep no state of their own; a plateau is replayed from the values that it
watched, which are in the checkpoint, so that a resumed trial has the rates of an undisturbed one.
"""

from collections.abc import Mapping, Sequence

import torch

from mmsearch.methods.lr_schedule import Constant, Plateau, Schedule, Step
from mmsearch.study import Objective
from mmsearch.training.engine import Pass


def scale(
    schedule: Schedule, *, epoch: int, watched: Sequence[float], objective: Objective
) -> float:
    """The factor of an epoch (1-based).

    Args:
        schedule: of the configuration.
        epoch: the one that comes.
        watched: by epoch before it, what a plateau watches (`watched_value`).
        objective: says which way it improves.
    """
    if isinstance(schedule, Step):
        return schedule.factor ** ((epoch - 1) // schedule.every)
    return _replayed(schedule, watched, objective) if isinstance(schedule, Plateau) else 1.0


def watched_value(
    schedule: Schedule, found: Mapping[str, float], objective: Objective
) -> float | None:
    """What a plateau watches of an epoch's values; None for other schedules."""
    if not isinstance(schedule, Plateau):
        return None
    return found["train/loss" if schedule.watch == "train" else objective.metric]


def apply(schedule: Schedule, passes: Sequence[Pass], factor: float) -> None:
    """Sets the rates of all groups; a constant schedule touches none."""
    if isinstance(schedule, Constant):
        return
    for one in passes:
        for table, rate in zip(one.engine.optimizer.param_groups, one.base_rates, strict=True):
            table["lr"] = rate * factor


def _replayed(schedule: Plateau, watched: Sequence[float], objective: Objective) -> float:
    mode = "min" if schedule.watch == "train" or objective.direction == "minimize" else "max"
    unit = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        unit, mode=mode, factor=schedule.factor, patience=schedule.patience
    )
    for value in watched:
        plateau.step(value)
    return unit.param_groups[0]["lr"]
