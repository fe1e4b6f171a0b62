"""What one worker does with its gang's orders: builds, trains, saves. No Ray in here."""

import json
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch

from mmsearch.cluster.logs import redirect, unbreakable
from mmsearch.cluster.messages import Begin, Go, Save, Stretch, Trouble
from mmsearch.cluster.pulse import Pulse
from mmsearch.cluster.shipping import Parcel, unpack
from mmsearch.disks import require
from mmsearch.study import Study
from mmsearch.training import (
    Diverged,
    OutOfMemory,
    Thrift,
    Trainer,
    Unwritten,
    Worker,
    ending_of,
    join,
    place,
    plan_of,
)
from mmsearch.trial import Checkpoint, Observation


class Segments:
    """The trial at hand of one worker, from `Begin` to its last stretch."""

    def __init__(self, study: Study, parcel: Parcel, *, rank: int, gpu: bool, pulse: Pulse) -> None:
        self._study = study
        self._pulse = pulse
        self._worker = Worker(
            rank=rank,
            world_size=study.resources.workers,
            device=torch.device("cuda", 0) if gpu else torch.device("cpu"),
            memory_share=min(1.0, study.resources.gpus_per_worker or 1.0),
            pulse=pulse.beat,
        )
        self._data = place(unpack(parcel), self._worker)
        self._begin: Begin | None = None
        self._trainer: Trainer | None = None
        self._troubles: list[Trouble] = []
        unbreakable()

    def join(self, init_method: str) -> None:
        """Brings the gang's process group up; returns when all workers are in it."""
        join(self._worker, init_method=init_method)

    def carry_out(
        self, order: Begin | Go | Save, *, until: int, save: bool
    ) -> tuple[Stretch, float]:
        """Trains up to an epoch; returns what came of it and the seconds that saving took.

        A trial's own fault (NaN, out of memory, an error in its configuration) is returned, not
        raised: the gang lives on.
        """
        if isinstance(order, Begin):
            self._close()
            self._begin = order
            self._log_to(order.log)
        assert self._begin is not None
        stretch, seconds = self._stretch(order, self._begin.number, until, save=save)
        troubles, self._troubles = tuple(self._troubles), []
        return replace(stretch, troubles=troubles), seconds

    def _stretch(
        self, order: Begin | Go | Save, number: int, until: int, *, save: bool
    ) -> tuple[Stretch, float]:
        observations: tuple[Observation, ...] = ()
        try:
            trainer = self._trainer = self._trainer or self._built()
            if not isinstance(order, Save):
                observations = self._trained(trainer, until, warm=isinstance(order, Go))
                _log(observations)
            last = trainer.finished and self._may_stay(trainer)
            saved, seconds = self._saved(trainer) if save or last else (None, 0.0)
        except Exception as error:
            if not self._sees_study():
                raise  # The disk is away, which is no fault of the trial's.
            traceback.print_exc()
            self._close()
            done = tuple(error.observations) if isinstance(error, Diverged) else observations
            again = isinstance(error, OutOfMemory) and error.again
            return Stretch(number, done, failed=ending_of(error), again=again), 0.0
        finished = trainer.finished
        if finished:
            self._close()
        return Stretch(number, observations, finished, checkpoint=saved), seconds

    def _built(self) -> Trainer:
        assert self._begin is not None
        begin = self._begin
        folder = Path(begin.checkpoint.uri) if begin.checkpoint else None
        since = plan_of(folder) if folder else None
        trainer = Trainer(
            self._study,
            self._data,
            begin.config,
            seed=begin.seed,
            worker=self._worker,
            thrift=Thrift(begin.thrift, since),
        )
        if folder and (since is None or trainer.plan.continues(since)):
            trainer.load(folder)
        config = json.dumps(dict(begin.config))
        print(f"trial {begin.number} from epoch {trainer.epoch}, {trainer.plan}: {config}")
        return trainer

    def _trained(self, trainer: Trainer, until: int, *, warm: bool) -> tuple[Observation, ...]:
        if warm:
            self._pulse.beat()
        try:
            return tuple(trainer.advance(until))
        finally:
            self._pulse.rest()

    def _may_stay(self, trainer: Trainer) -> bool:
        """Whether the checkpoint of a trial that is done may be wanted: it may be the incumbent."""
        bar = self._begin.bar if self._begin else None
        best = trainer.best_value
        return bar is None or best is None or not self._study.objective.better(bar, best)

    def _saved(self, trainer: Trainer) -> tuple[Checkpoint | None, float]:
        """The checkpoint, or None where it cannot be written, and the seconds that it took."""
        assert self._begin is not None
        started = perf_counter()
        folder = Path(self._begin.folder) / f"epoch-{trainer.epoch:04d}"
        checkpoint = Checkpoint(str(folder), trainer.epoch, self._worker.world_size)
        try:
            trainer.save(folder)
        except Unwritten as error:
            print(f"no checkpoint after epoch {trainer.epoch}: {error}")
            self._troubles.append(Trouble("checkpoints", str(error)))
            checkpoint = None
        return checkpoint, perf_counter() - started

    def _sees_study(self) -> bool:
        """Whether the study's folder is there, which the driver made."""
        assert self._begin is not None
        try:
            require(Path(self._begin.folder).parents[1])
        except OSError:
            return False
        return True

    def _log_to(self, log: str) -> None:
        rank = self._worker.rank
        why = redirect(Path(log if rank == 0 else f"{log}.rank-{rank}"))
        if why:
            self._troubles.append(Trouble("logs", why))

    def _close(self) -> None:
        if self._trainer is not None:
            trainer, self._trainer = self._trainer, None
            trainer.close()


def _log(observations: Sequence[Observation]) -> None:
    """A line an epoch: what it took, the loss, and the metrics."""
    for seen in observations:
        shown = {k: v for k, v in seen.metrics.items() if k.startswith(("valid/", "train/loss"))}
        values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        print(f"epoch {seen.epoch}  {seen.train_seconds:.2f} s  {values}")
