"""Successive halving that pauses trials at rungs, and may take them up again: which, and when.

At a rung a trial is measured by what the model of all trials expects it to be worth in the end, so
by all that the record says of it and of its like, and not by its value there alone. One in
`reduction` of those that reached the rung goes on, or more: the less a rung has told of what trials
came to, the fewer it holds back. Who goes on may change with every observation: a trial that
disappoints higher up makes room for one that was paused.

Paper: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, arXiv 1810.05934,
whose promotion this is but for the model.
Unusual: nothing goes past the first rung before the trials that are there, or on their way to it,
take about as many epochs as one full training: the first survivors are then chosen among many.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from mmsearch.sampling import outlook
from mmsearch.sampling.halving import reached
from mmsearch.sampling.proposals import Expectation, expectation
from mmsearch.study import Study
from mmsearch.trial import Paused, Running, Trial, Verdict

RESTING = 16
"""Paused trials that keep their checkpoint; the least promising ones beyond them are stopped."""


class Standings:
    """The trials of a study at its rungs.

    Args:
        study: rungs and reduction.
        trials: all that the model may know of.
    """

    def __init__(self, study: Study, trials: Sequence[Trial]) -> None:
        self._study = study
        self._trials = {trial.number: trial for trial in trials}
        self._rungs = study.scheduler.rungs(study.budget.max_epochs)
        self._there = {rung: set(reached(trials, rung)) for rung in self._rungs}

    @cached_property
    def _expected(self) -> Expectation:
        return expectation(self._study, list(self._trials.values()))

    @property
    def _merits(self) -> Mapping[int, float]:
        return self._expected.merits

    def judge(self, number: int) -> Verdict:
        """What becomes of a running trial that has reached a rung."""
        if self._goes_on(number):
            return Verdict.CONTINUE
        rivals = [trial for trial in self._resting() if trial != number]
        better = sum(self._merit(rival) >= self._merit(number) for rival in rivals)
        return Verdict.PAUSE if better < RESTING else Verdict.STOP

    def promoted(self) -> int | None:
        """The paused trial to take up now, if one has come to be worth it: the highest first."""
        ready = [number for number in self._resting() if self._goes_on(number)]
        return max(ready, key=lambda n: (self._rung(n), self._merit(n)), default=None)

    def dismissed(self) -> list[int]:
        """Paused trials that will not be taken up any more."""
        resting = self._resting()
        if len(resting) <= RESTING:
            return []
        return sorted(sorted(resting, key=self._merit, reverse=True)[RESTING:])

    def _resting(self) -> list[int]:
        return [n for n, trial in self._trials.items() if isinstance(trial.state, Paused)]

    def _rung(self, number: int) -> int:
        return max(self._trials[number].rungs)

    def _merit(self, number: int) -> float:
        return self._merits.get(number, -np.inf)

    def _goes_on(self, number: int) -> bool:
        """Whether it is among the best one in `reduction` of its rung."""
        if len(self._there[self._rungs[0]]) < self._explored or number not in self._merits:
            return False
        rung = self._rung(number)
        there = self._there[rung]
        better = sum(self._merit(other) > self._merits[number] for other in there)
        return better < max(1, int(len(there) / self._reduction(rung)))

    def _reduction(self, rung: int) -> float:
        """One in how many goes on: more do where the rung tells little of what they come to."""
        return self._study.scheduler.reduction ** self._expected.insight.get(rung, 1.0)

    @property
    def _explored(self) -> int:
        """Trials that the first rung sees before any goes past it; those on their way are as good.

        Where many train at a time, waiting for all of them costs more than a wrong survivor.
        """
        coming = sum(isinstance(t.state, Running) and not t.rungs for t in self._trials.values())
        worth = self._study.budget.max_epochs // self._rungs[0] - 2
        return max(outlook.ENOUGH, worth - coming)
