"""Several objectives: what a trial is worth in each, and which trials no other is better than."""

from collections.abc import Iterable

from mmsearch.study.model import COST, Study
from mmsearch.trial import Completed, Trial


def values(study: Study, trial: Trial, epoch: int) -> tuple[float, ...] | None:
    """What a trial is worth in every objective at a fidelity, the leading one first; None if none.

    All are those of the epoch that the leading objective's value comes from, so they belong to the
    same weights; but seconds are those of all training up to the fidelity.
    """
    leading = study.objective.at(trial.observations, epoch)
    if leading is None:
        return None
    value, when = leading
    (metrics,) = (o.metrics for o in trial.observations if o.epoch == when)
    spent = sum(o.train_seconds for o in trial.observations if o.epoch <= epoch)
    others = (spent if o.metric == COST else metrics[o.metric] for o in study.others)
    return (value, *others)


def losses(study: Study, found: Iterable[float]) -> tuple[float, ...]:
    """Values of all objectives, turned so that lower is better."""
    objectives = (study.objective, *study.others)
    return tuple(
        value if one.direction == "minimize" else -value
        for one, value in zip(objectives, found, strict=True)
    )


def pareto_set(study: Study, trials: Iterable[Trial]) -> dict[int, tuple[float, ...]]:
    """Of the completed trials those that none is better than, with their values, by number.

    One trial is better than another if it is as good in every objective, and not the same in all.
    The order is that of the leading objective, best first.
    """
    found = {
        trial.number: value
        for trial in trials
        if isinstance(trial.state, Completed) and (value := values(study, trial, trial.epoch))
    }
    best_first = sorted(found, key=lambda number: (losses(study, found[number]), number))
    chosen: list[int] = []
    for number in best_first:
        own = losses(study, found[number])
        rivals = (losses(study, found[other]) for other in chosen)
        if not any(_dominates(rival, own) for rival in rivals):
            chosen.append(number)
    return {number: found[number] for number in chosen}


def _dominates(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))
