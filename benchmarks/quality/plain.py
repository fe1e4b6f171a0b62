"""Players that one uses instead of mmsearch: random, Optuna's samplers, with and without ASHA."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna

from mmsearch.sampling.proposals import _asker as asker
from quality.clock import Job, Problem
from quality.drawing import draw

Propose = Callable[[], tuple[Mapping[str, Any], Any]]
"""Gives a configuration, and what is to be called with its values and whether it was completed."""


def at_random(problem: Problem, seed: int) -> Propose:
    """Random configurations."""
    rng = np.random.default_rng(seed)
    return lambda: (draw(problem.space, rng), lambda _values, **_: None)


def by_optuna(make: Callable[[int], optuna.samplers.BaseSampler], *, pruned: bool = True) -> Any:
    """A sampler of Optuna's.

    Args:
        make: the sampler from a seed.
        pruned: whether a trial that was stopped is told so, or as completed.
    """

    def start(problem: Problem, seed: int) -> Propose:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize", sampler=make(seed))

        def propose() -> Any:
            trial = study.ask()
            config = problem.space.assign(asker(trial))

            def tell(values: list[float], *, completed: bool) -> None:
                if completed or not pruned:
                    study.tell(trial, values[-1])
                else:
                    for epoch, value in enumerate(values, 1):
                        trial.report(value, epoch)
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)

            return config, tell

        return propose

    return start


class Halving:
    """ASHA as Tune has it: a trial is stopped at a rung below the top one in `reduction`."""

    def __init__(
        self, problem: Problem, propose: Propose, first: int | None = None, reduction: int = 3
    ) -> None:
        """`first` rung; None for no stopping."""
        self._full = problem.epochs
        rungs = _rungs(first, reduction, self._full) if first else ()
        self._propose = propose
        self._ends = (*rungs, self._full)
        self._reduction = reduction
        self._seen: dict[int, list[float]] = {rung: [] for rung in rungs}
        self._live: dict[int, tuple[Job, list[float], Any]] = {}
        self._trials = 0

    def next(self, worker: int) -> Job | None:
        if worker in self._live:
            job, values, tell = self._live[worker]
            until = next(end for end in self._ends if end > job.until)
            job = Job(job.trial, job.config, job.until, until)
        else:
            config, tell = self._propose()
            values = []
            job = Job(self._trials, config, 0, self._ends[0], charge="start")
            self._trials += 1
        self._live[worker] = job, values, tell
        return job

    def trained(self, worker: int, job: Job, values: np.ndarray) -> None:
        _, known, tell = self._live[worker]
        known.extend(float(value) for value in values)
        if job.until == self._full:
            del self._live[worker]
            tell(known, completed=True)
        elif self._stops(job.until, known[-1]):
            del self._live[worker]
            tell(known, completed=False)

    def _stops(self, rung: int, value: float) -> bool:
        """As Tune's ASHA: against the quantile of those before, interpolated."""
        seen = self._seen[rung]
        cut = np.nanpercentile(seen, (1 - 1 / self._reduction) * 100) if seen else -np.inf
        seen.append(value)
        return value < cut


def _rungs(first: int, reduction: int, full: int) -> tuple[int, ...]:
    found: list[int] = []
    while first < full:
        found.append(first)
        first *= reduction
    return tuple(found)


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _halving(propose: Any, first: int | None = None, reduction: int = 3) -> Any:
    return lambda problem, seed: Halving(problem, propose(problem, seed), first, reduction)


PLAYERS: dict[str, Callable[[Problem, int], Halving]] = {
    "random": _halving(at_random),
    "random + ASHA(5,3)": _halving(at_random, 5),
    "random + ASHA(3,3)": _halving(at_random, 3),
    "random + ASHA(1,4)": _halving(at_random, 1, 4),
    "Optuna TPE": _halving(by_optuna(_tpe)),
    "Optuna GP": _halving(by_optuna(_gp)),
    "Optuna TPE + ASHA(1,4), as shipped": _halving(by_optuna(_tpe, pruned=False), 1, 4),
    "Optuna TPE + ASHA(3,3), pruned": _halving(by_optuna(_tpe), 3),
    "Optuna TPE + ASHA(5,3), pruned": _halving(by_optuna(_tpe), 5),
}
