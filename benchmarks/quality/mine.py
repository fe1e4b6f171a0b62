"""mmsearch as a player: its dispatcher, ledger, sampler and scheduler; the record is in memory."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import InMemoryStorage

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Finish, Go, Order, Ready, Save, Stretch
from mmsearch.sampling.book import Header, shelve
from mmsearch.sampling.ledger import Ledger
from mmsearch.sampling.storage import Store
from mmsearch.space import Space
from mmsearch.study import Budget, Objective, Sampler, Scheduler, Study
from mmsearch.trial import Checkpoint, Observation
from quality.clock import Job, Problem
from quality.drawing import draw

STUDY = Study(
    name="quality",
    method="quality",
    dataset="quality",
    seed=0,
    objective=Objective("valid/quality", "maximize", epoch="last"),
    budget=Budget(trials=100_000, max_epochs=1),
    space=Space({}),
    published={},
    text="name = 'quality'\n",
)


def in_memory(study: Study) -> Ledger:
    """A ledger whose record is on no disk."""
    store = Store("journal:///in-memory", InMemoryStorage())
    book = shelve(store, study.name, study.objective.direction)
    header = Header(study.objective.metric, study.objective.direction, study.text, "", {})
    return Ledger(study, book, header, leave=lambda: None)


class Mmsearch:
    """Its published configuration is a random one: there is no paper.

    Where an epoch is told to take hardly any time, proposals are made ahead.

    Args:
        problem: what is searched.
        seed: of the study.
        workers: gangs.
        sampler: of the study.
        scheduler: of the study.
        epoch_s: seconds that every epoch is told to take; None for what the problem says.
        changes: of other fields of the study.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        workers: int,
        sampler: Sampler,
        scheduler: Scheduler,
        epoch_s: float | None = 60.0,
        **changes: Any,
    ) -> None:
        published = draw(problem.space, np.random.default_rng(seed))
        study = replace(
            STUDY,
            seed=seed,
            space=problem.space,
            budget=replace(STUDY.budget, max_epochs=problem.epochs),
            published=published,
            sampler=sampler,
            scheduler=scheduler,
            **changes,
        )
        self._problem = problem
        self._full = problem.epochs
        self._epoch_s = epoch_s
        self._folder = tempfile.TemporaryDirectory(prefix="quality-")
        self.ledger = in_memory(study)
        self._ends = (*scheduler.rungs(self._full), self._full)
        self._mail: dict[str, Order] = {}
        self._at: dict[str, tuple[int, Mapping[str, Any], int]] = {}
        self._dispatcher = Dispatcher(
            self.ledger,
            out=Path(self._folder.name).resolve(),
            gangs=workers,
            post=self._mail.__setitem__,
        )
        for worker in range(workers):
            self._dispatcher.reported(str(worker), Ready("host"))

    def next(self, worker: int) -> Job | None:
        order = self._mail.pop(str(worker), None)
        match order:
            case None | Finish():
                return None
            case Begin():
                start = order.checkpoint.epoch if order.checkpoint else 0
                charge = "resume" if order.checkpoint else "start"
                self._at[str(worker)] = (order.number, order.config, start)
            case Go():
                charge = ""
            case Save():
                number, _, at = self._at[str(worker)]
                saved = Checkpoint(self._checkpoint(number, at), at, 1)
                self._dispatcher.reported(str(worker), Stretch(number, checkpoint=saved))
                return self.next(worker)
        number, config, start = self._at[str(worker)]
        until = next(end for end in self._ends if end > start)
        return Job(number, config, start, until, charge)

    def _checkpoint(self, number: int, epoch: int) -> str:
        folder = (
            Path(self._folder.name).resolve()
            / "checkpoints"
            / f"trial-{number:04d}"
            / f"epoch-{epoch:04d}"
        )
        folder.mkdir(parents=True)
        return str(folder)

    def trained(self, worker: int, job: Job, values: np.ndarray) -> None:
        name = str(worker)
        seen = tuple(
            Observation(epoch, {"valid/quality": float(value)}, seconds)
            for epoch, (value, seconds) in enumerate(
                zip(values, self._seconds(job), strict=True), job.start + 1
            )
        )
        self._at[name] = (job.trial, job.config, job.until)
        finished = job.until == self._full
        self._dispatcher.reported(name, Stretch(job.trial, seen, finished))

    def _seconds(self, job: Job) -> list[float]:
        """What each epoch of a stretch took."""
        if self._epoch_s is not None:
            return [self._epoch_s] * (job.until - job.start)
        ends = np.r_[0.0, self._problem.curve(job.config, job.trial)[:, 0]]
        return np.maximum(np.diff(ends)[job.start : job.until], 1e-6).tolist()
