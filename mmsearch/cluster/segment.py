"""What one worker does with its gang's orders: builds, trains, saves. No Ray in here."""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch

from mmsearch.cluster.messages import Begin, Go, Save, Stretch
from mmsearch.cluster.pulse import Pulse
from mmsearch.cluster.shipping import Parcel, unpack
from mmsearch.study import Study
from mmsearch.training import Diverged, Trainer, Worker, ending_of, join, place
from mmsearch.trial import Checkpoint, Observation, start_epoch


class Segments:
    """The trial at hand of one worker, from `Begin` to its last stretch."""

    def __init__(self, study: Study, parcel: Parcel, *, rank: int, gpu: bool, pulse: Pulse) -> None:
        self._study = study
        self._pulse = pulse
        self._worker = Worker(
            rank=rank,
            world_size=study.resources.workers,
            device=torch.device("cuda", 0) if gpu else torch.device("cpu"),
            pulse=pulse.beat,
        )
        self._data = place(unpack(parcel), self._worker)
        self._begin: Begin | None = None
        self._trainer: Trainer | None = None

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
            _redirect(order.log, self._worker.rank)
        assert self._begin is not None
        observations: tuple[Observation, ...] = ()
        try:
            trainer = self._trainer = self._trainer or self._built()
            if not isinstance(order, Save):
                observations = self._trained(trainer, until, warm=isinstance(order, Go))
                _log(observations)
            saved, seconds = self._saved(trainer) if save or trainer.finished else (None, 0.0)
        except Exception as error:  # noqa: BLE001  whatever a method raises ends its trial alone
            traceback.print_exc()
            self._close()
            done = tuple(error.observations) if isinstance(error, Diverged) else observations
            return Stretch(self._begin.number, done, failed=ending_of(error)), 0.0
        finished = trainer.finished
        if finished:
            self._close()
        return Stretch(self._begin.number, observations, finished, checkpoint=saved), seconds

    def _built(self) -> Trainer:
        assert self._begin is not None
        begin = self._begin
        start = start_epoch(begin.checkpoint)
        print(f"trial {begin.number} from epoch {start}: {json.dumps(dict(begin.config))}")
        trainer = Trainer(
            self._study, self._data, begin.config, seed=begin.seed, worker=self._worker
        )
        if begin.checkpoint:
            trainer.load(Path(begin.checkpoint.uri))
        return trainer

    def _trained(self, trainer: Trainer, until: int, *, warm: bool) -> tuple[Observation, ...]:
        if warm:
            self._pulse.beat()
        try:
            return tuple(trainer.advance(until))
        finally:
            self._pulse.rest()

    def _saved(self, trainer: Trainer) -> tuple[Checkpoint, float]:
        assert self._begin is not None
        started = perf_counter()
        folder = Path(self._begin.folder) / f"epoch-{trainer.epoch:04d}"
        trainer.save(folder)
        checkpoint = Checkpoint(str(folder), trainer.epoch, self._worker.world_size)
        return checkpoint, perf_counter() - started

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


def _redirect(log: str, rank: int) -> None:
    """Sends what this process prints from now on to the trial's log file."""
    path = Path(log if rank == 0 else f"{log}.rank-{rank}")
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
