"""How well early epochs rank trials: Spearman's correlation with the value after full training.

Paper: Bonett and Wright, Sample size requirements for estimating Pearson, Kendall and Spearman
correlations, Psychometrika 2000: the interval. Unusual: only completed trials have both values.
Where the scheduler stopped the others they are alike, which makes every correlation look lower.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Stopped

Z_95 = 1.959964
FEWEST = 8
"""Completed trials below which no correlation is given."""
GOOD, POOR = 0.7, 0.5
"""Correlations that count as ranking well, and as ranking poorly."""


@dataclass(frozen=True)
class Agreement:
    """How an epoch ranks the completed trials, compared with their values after full training."""

    epoch: int
    trials: int
    """That have both values."""
    correlation: float
    """Spearman's, in [-1, 1]: 1 ranks them as full training does."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""


def ranked(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1 on, ties at their mean: [n]."""
    # Half a second, for those who make a page, and not for all who print a summary.
    from scipy.stats import rankdata  # pyright: ignore[reportUnknownVariableType]  it has no types

    return np.asarray(rankdata(values), dtype=np.float64)


def spearman(left: Sequence[float], right: Sequence[float]) -> tuple[float, float, float] | None:
    """Spearman's correlation with its 95 % interval; None where a side has one value only.

    Args:
        left: one value a trial.
        right: one value a trial, in the same order.
    """
    ranks = np.stack([ranked(left), ranked(right)])
    if len(left) < 4 or not ranks.std(axis=1).all():
        return None
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    found = float(
        centred[0] @ centred[1] / sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1]))
    )
    middle = atanh(min(max(found, -0.999999), 0.999999))
    reach = Z_95 * sqrt((1 + found**2 / 2) / (len(left) - 3))
    return found, tanh(middle - reach), tanh(middle + reach)


def agreement(record: Record, study: Study) -> tuple[Agreement, ...]:
    """Every epoch below full fidelity, where enough trials completed to tell."""
    completed = [t for t in record.trials if isinstance(t.state, Completed) and t.value is not None]
    rows: list[Agreement] = []
    if len(completed) < FEWEST:
        return ()
    for epoch in range(1, study.budget.max_epochs):
        pairs = [
            (seen[0], trial.value or 0.0)
            for trial in completed
            if (seen := study.objective.at(trial.observations, epoch))
        ]
        found = spearman([early for early, _ in pairs], [final for _, final in pairs])
        if found and len(pairs) >= FEWEST:
            rows.append(Agreement(epoch, len(pairs), *found))
    return tuple(rows)


def advice(record: Record, study: Study, found: tuple[Agreement, ...]) -> str:
    """What the correlations say of the study's first rung, in a sentence or two."""
    rungs = study.scheduler.rungs(study.budget.max_epochs)
    if not rungs:
        return "The study has no rungs: every trial is trained in full."
    by_epoch = {one.epoch: one for one in found}
    first = by_epoch.get(rungs[0])
    if first is None:
        return f"Fewer than {FEWEST} trials completed: too few to judge the rungs."
    stopped = sum(isinstance(trial.state, Stopped) for trial in record.trials)
    told = (
        f"At the first rung, epoch {first.epoch}, the {first.trials} completed trials are ranked "
        f"with a correlation of {first.correlation:.2f} "
        f"(95 % interval {first.low:.2f} to {first.high:.2f})"
    )
    return f"{told}: {_judgement(first, found)}{_caveat(stopped)}"


def _judgement(first: Agreement, found: tuple[Agreement, ...]) -> str:
    if first.high < GOOD:
        later = next((one.epoch for one in found if one.low >= POOR), None)
        better = f"epoch {later} ranks better" if later else "no epoch ranks much better here"
        return f"your first rung is too early; {better}."
    if first.low >= GOOD:
        earlier = next(one.epoch for one in found if one.low >= GOOD)
        if earlier < first.epoch:
            return f"it ranks well, and epoch {earlier} already does: an earlier one saves epochs."
        return "it ranks well."
    return "whether it comes too early cannot be told yet."


def _caveat(stopped: int) -> str:
    if not stopped:
        return ""
    return (
        f" The {stopped} stopped trials have no final value, so among all trials it ranks better "
        "than this says."
    )
