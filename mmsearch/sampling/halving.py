"""Asynchronous successive halving: whether a trial goes on, from what the record says of a rung.

Paper: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, arXiv 1810.05934;
the variant that stops trials at once and never takes one up again.
Unusual: nothing is remembered between calls, so a search that was killed decides as before.
"""

from collections.abc import Iterable, Sequence

from mmsearch.study import Study
from mmsearch.trial import Completed, Direction, Observation, Trial, Verdict


def decide(own: float, values: Sequence[float], *, reduction: int, direction: Direction) -> Verdict:
    """Whether a trial goes on past a rung.

    It does if it is among the best `max(1, n // reduction)` of the n values that the rung has so
    far, so the first trial at a rung always does. Equal values are treated alike: ties go on.

    Args:
        own: the trial's objective at the rung.
        values: the objective of every trial that reached the rung, `own` included.
        reduction: one in this many goes on.
        direction: of the objective.
    """
    assert own in values
    best_first = sorted(values, reverse=direction == "maximize")
    last_place = best_first[max(1, len(values) // reduction) - 1]
    goes_on = own <= last_place if direction == "minimize" else own >= last_place
    return Verdict.CONTINUE if goes_on else Verdict.STOP


def rungs_of(
    study: Study, observations: tuple[Observation, ...], *, after: int
) -> dict[int, float]:
    """Objective at each rung of the study that was reached after this epoch."""
    last = observations[-1].epoch
    values = {
        rung: study.objective.at(observations, rung)
        for rung in study.scheduler.rungs(study.budget.max_epochs)
        if after < rung <= last
    }
    return {rung: value[0] for rung, value in values.items() if value}


def reached(trials: Iterable[Trial], fidelity: int) -> dict[int, float]:
    """Objective at a rung, or at full fidelity, of the trials that reached it, by trial number.

    A completed trial whose own patience ended it below the rung counts with its final value: more
    training would not have changed it. Were it left out, the rung would be easier for the others.
    """
    values: dict[int, float] = {}
    for trial in trials:
        if fidelity in trial.rungs:
            values[trial.number] = trial.rungs[fidelity]
        elif isinstance(trial.state, Completed) and trial.value is not None:
            values[trial.number] = trial.value
    return values


def judge(study: Study, others: list[Trial], trial: Trial) -> Verdict:
    """What becomes of a trial that has reached a rung."""
    from mmsearch.sampling.proposals import outlook

    rung = max(trial.rungs)
    view = outlook(study, [*others, trial])
    if view.ladder is None:
        return Verdict.PAUSE
    return Verdict.CONTINUE if view.goes_on(trial.number, rung) else Verdict.PAUSE


def promotable(study: Study, trials: list[Trial], paused: list[int]) -> int | None:
    """The paused trial that is to be taken up, if one is worth it."""
    from mmsearch.sampling.proposals import outlook

    view = outlook(study, trials)
    if view.ladder is None:
        return None
    by = {t.number: t for t in trials}
    for rung in reversed(study.scheduler.rungs(study.budget.max_epochs)):
        there = [n for n in paused if max(by[n].rungs) == rung]
        there = [n for n in there if view.goes_on(n, rung)]
        if there:
            return max(there, key=view.merit)
    return None
