"""A simulated clock: workers train stretches that take their time, in no real time.

Unusual: a player never sees a whole curve, only the epochs whose time has come.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np

from mmsearch.space import Space


@dataclass(frozen=True)
class Job:
    """A stretch that a worker is to train."""

    trial: int
    config: Mapping[str, Any]
    start: int
    """Epochs that the trial has seen."""
    until: int
    charge: str = ""
    """`start` or `resume` where the worker must build the trial first."""


class Problem(Protocol):
    """What is searched. Qualities are maximised."""

    space: Space
    epochs: int
    """Full fidelity."""

    def curve(self, config: Mapping[str, Any], trial: int) -> np.ndarray:
        """Seconds so far and quality after each epoch: [epochs, 2]; noise is the trial's."""
        ...

    def truth(self, config: Mapping[str, Any]) -> float:
        """Quality at full fidelity without noise."""
        ...


class Player(Protocol):
    """Who searches."""

    def next(self, worker: int) -> Job | None:
        """What a free worker trains, or None for nothing at present."""
        ...

    def trained(self, worker: int, job: Job, values: np.ndarray) -> None:
        """A stretch has been trained; quality after each of its epochs."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a search costs."""

    workers: int
    budget: float
    """Total of all workers, in full evaluations."""
    timed: bool = False
    """Whether an epoch costs its predicted seconds, or one unit."""
    start: float = 0.0
    """Charge of building a trial, in epochs of an average configuration."""
    resume: float = 0.0


A = Setting(workers=4, budget=50)
B = Setting(workers=16, budget=50, timed=True, start=1.0, resume=0.5)


@dataclass(frozen=True)
class Completion:
    """A trial that was trained in full."""

    when: float
    """In full evaluations, of all workers together."""
    trial: int
    config: Mapping[str, Any]


def completions(
    player: Player, problem: Problem, setting: Setting, *, full: float
) -> Iterator[Completion]:
    """Plays until the budget is spent.

    Args:
        player: who searches.
        problem: what is searched.
        setting: workers and costs.
        full: cost of an average full evaluation, in the clock's unit.
    """
    order = count()
    ends: list[tuple[float, int, int, Job]] = []
    idle = list(range(setting.workers))
    now = 0.0
    limit = setting.budget * full / setting.workers
    while True:
        waiting = []
        for worker in idle:
            job = player.next(worker)
            if job is None:
                waiting.append(worker)
            else:
                cost = _cost(problem, setting, job, full)
                heapq.heappush(ends, (now + cost, next(order), worker, job))
        idle = waiting
        if not ends or ends[0][0] > limit:
            return
        now, _, worker, job = heapq.heappop(ends)
        quality = problem.curve(job.config, job.trial)[:, 1]
        if job.until == problem.epochs:
            yield Completion(now * setting.workers / full, job.trial, job.config)
        player.trained(worker, job, quality[job.start : job.until])
        idle = sorted([*idle, worker])


def play(
    player: Player, problem: Problem, setting: Setting, *, full: float
) -> list[tuple[float, float]]:
    """When the incumbent at full fidelity changed, in full evaluations, and its true quality."""
    best = -np.inf
    incumbents: list[tuple[float, float]] = []
    for done in completions(player, problem, setting, full=full):
        quality = problem.curve(done.config, done.trial)[-1, 1]
        if quality > best:
            best = quality
            incumbents.append((done.when, problem.truth(done.config)))
    return incumbents


def _cost(problem: Problem, setting: Setting, job: Job, full: float) -> float:
    charges = {"start": setting.start, "resume": setting.resume, "": 0.0}
    charge = charges[job.charge] * full / problem.epochs
    if not setting.timed:
        return charge + job.until - job.start
    seconds = problem.curve(job.config, job.trial)[:, 0]
    before = seconds[job.start - 1] if job.start else 0.0
    return charge + max(1e-6, float(seconds[job.until - 1] - before))
