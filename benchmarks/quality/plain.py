"""Players that are used instead of mmsearch: random and Optuna's samplers, with and without ASHA."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna

from mmsearch.sampling.proposals import distribution
from quality.clock import Job
from quality.lcbench import EPOCHS, SPACE, draw

DISTRIBUTIONS = {name: distribution(p) for name, p in SPACE.parameters.items()}
Propose = Callable[[], tuple[Mapping[str, Any], Callable[[list[float], bool], None]]]
"""Gives a configuration, and what is to be called with its values and whether it was completed."""


def at_random(seed: int) -> Propose:
    """Random configurations."""
    rng = np.random.default_rng(seed)
    return lambda: (draw(rng), lambda _values, _completed: None)


def by_optuna(make: Callable[[int], optuna.samplers.BaseSampler], *, pruned: bool = True) -> Any:
    """A sampler of Optuna's.

    Args:
        make: the sampler from a seed.
        pruned: whether a trial that was stopped is told so, or as completed.
    """

    def start(seed: int) -> Propose:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize", sampler=make(seed))

        def propose() -> Any:
            trial = study.ask(DISTRIBUTIONS)

            def tell(values: list[float], completed: bool) -> None:  # noqa: FBT001
                if completed or not pruned:
                    study.tell(trial, values[-1])
                else:
                    for epoch, value in enumerate(values, 1):
                        trial.report(value, epoch)
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)

            return trial.params, tell

        return propose

    return start


class Halving:
    """ASHA as Tune has it: a trial is stopped at a rung below the top one in `reduction`."""

    def __init__(self, propose: Propose, rungs: tuple[int, ...], reduction: int = 3) -> None:
        """`rungs` below full fidelity; none for no stopping."""
        self._propose = propose
        self._ends = (*rungs, EPOCHS)
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
        if job.until == EPOCHS:
            del self._live[worker]
            tell(known, True)
        elif self._stops(job.until, known[-1]):
            del self._live[worker]
            tell(known, False)

    def _stops(self, rung: int, value: float) -> bool:
        """As Tune's ASHA: against the quantile of those before, interpolated."""
        seen = self._seen[rung]
        cut = np.nanpercentile(seen, (1 - 1 / self._reduction) * 100) if seen else -np.inf
        seen.append(value)
        return value < cut


def rungs(first: int, reduction: int) -> tuple[int, ...]:
    """Rungs below full fidelity."""
    found = []
    while first < EPOCHS:
        found.append(first)
        first *= reduction
    return tuple(found)


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


PLAYERS: dict[str, Callable[[int], Halving]] = {
    "random": lambda seed: Halving(at_random(seed), ()),
    "random + ASHA(5,3)": lambda seed: Halving(at_random(seed), rungs(5, 3)),
    "random + ASHA(1,4)": lambda seed: Halving(at_random(seed), rungs(1, 4), 4),
    "Optuna TPE": lambda seed: Halving(by_optuna(_tpe)(seed), ()),
    "Optuna GP": lambda seed: Halving(by_optuna(_gp)(seed), ()),
    "Optuna TPE + ASHA(1,4), as shipped": lambda seed: Halving(
        by_optuna(_tpe, pruned=False)(seed), rungs(1, 4), 4
    ),
    "Optuna TPE + ASHA(5,3), pruned": lambda seed: Halving(by_optuna(_tpe)(seed), rungs(5, 3)),
}
