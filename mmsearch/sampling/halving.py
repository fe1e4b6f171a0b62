"""Asynchronous successive halving: whether a trial goes on, from what the record says of a rung.

Paper: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, arXiv 1810.05934;
the variant that stops trials at once and never takes one up again.
Unusual: what is remembered follows from the trials, so a search that was killed decides as before.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence

from mmsearch.study import Study
from mmsearch.trial import Completed, Direction, Observation, Trial, Verdict


def decide(own: float, others: Sequence[float], *, reduction: int, direction: Direction) -> Verdict:
    """Whether a trial goes on past a rung.

    It does if it is among the best `max(1, n // reduction)` of the n values that the rung has with
    it, so the first trial at a rung always does. Equal values are treated alike: ties go on.

    Args:
        own: the trial's objective at the rung.
        others: the objective of every other trial that reached the rung, in ascending order.
        reduction: one in this many goes on.
        direction: of the objective.
    """
    if direction == "minimize":
        better = bisect_left(others, own)
    else:
        better = len(others) - bisect_right(others, own)
    places = max(1, (len(others) + 1) // reduction)
    return Verdict.CONTINUE if better < places else Verdict.STOP


class Standings:
    """The values that the rungs of a study have so far, in order, for those who ask often.

    Args:
        study: rungs, reduction and direction.
        trials: what has come of them so far.
    """

    def __init__(self, study: Study, trials: Iterable[Trial] = ()) -> None:
        self._study = study
        self._values: dict[int, list[float]] = {
            rung: [] for rung in study.scheduler.rungs(study.budget.max_epochs)
        }
        self._there: dict[int, set[int]] = {rung: set() for rung in self._values}
        for trial in trials:
            self.note(trial)

    def note(self, trial: Trial) -> None:
        """What has come of a trial; a value that is known already is not counted again."""
        for rung, numbers in self._there.items():
            value = None if trial.number in numbers else reached([trial], rung).get(trial.number)
            if value is not None:
                insort(self._values[rung], value)
                numbers.add(trial.number)

    def judge(self, rungs: Mapping[int, float]) -> Verdict:
        """Whether a trial that is not noted yet goes on past these rungs, with these values."""
        for rung, value in rungs.items():
            verdict = decide(
                value,
                self._values[rung],
                reduction=self._study.scheduler.reduction,
                direction=self._study.objective.direction,
            )
            if verdict is Verdict.STOP:
                return verdict
        return Verdict.CONTINUE


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
