"""One trial on a gang of plain processes: this one, and others where several are asked for.

Unusual: all members go through the same lines; what only one can know, such as when it is time to
save, rank 0 tells the others.
"""

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import distributed, multiprocessing

from mmsearch.datasets import SearchData
from mmsearch.errors import Problem, TrainingError
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import (
    Diverged,
    OutOfMemory,
    Thrift,
    Trainer,
    Worker,
    ending_of,
    join,
    leave,
    place,
    plan_of,
)
from mmsearch.trial import Failed, Observation

EVERY_S = 60.0
"""A kill loses no more training than this, and an epoch."""
PATIENCE_S = 10.0
"""How long the other processes may take to end."""

Hear = Callable[[Observation], None]


@dataclass(frozen=True)
class Job:
    """What every member needs to know."""

    study: Study
    config: Mapping[str, Any]
    seed: Seed
    data: SearchData
    epochs: int
    """After which training ends."""
    threads: int
    folder: Path
    """Of the checkpoint."""

    @property
    def workers(self) -> int:
        """Members of the gang."""
        return self.study.resources.workers


def carry_out(job: Job, hear: Hear, *, resume: bool) -> Failed | None:
    """Trains until the epochs are done, or the trial's patience has ended it.

    Args:
        job: what to train.
        hear: told every epoch before it is saved; those up to the checkpoint's are not told again.
        resume: whether to go on from the folder's checkpoint, if there is one.

    Returns:
        Why training came to nothing, if it did.

    Raises:
        TrainingError: what is asked for cannot be trained here.
    """
    with tempfile.TemporaryDirectory() as meeting, _others(job, meeting, resume=resume):
        return _attend(job, 0, meeting, hear, resume=resume)


@contextmanager
def _others(job: Job, meeting: str, *, resume: bool) -> Generator[None]:
    """All members but this process, for as long as they are needed."""
    spawning = multiprocessing.get_context("spawn")
    others = [
        spawning.Process(
            target=_attend,
            args=(job, rank, meeting, _unheard),
            kwargs={"resume": resume},
            daemon=True,
        )
        for rank in range(1, job.workers)
    ]
    for one in others:
        one.start()
    try:
        yield
        for one in others:
            one.join(PATIENCE_S)
    finally:
        for one in others:
            one.kill()


def _unheard(_: Observation) -> None:
    """What the other members see is what rank 0 sees."""


def _attend(job: Job, rank: int, meeting: str, hear: Hear, *, resume: bool) -> Failed | None:
    worker = Worker(
        rank=rank, world_size=job.workers, device=_device(job.study, rank), threads=job.threads
    )
    join(worker, init_method=f"file://{meeting}/meeting")
    ended: Failed | None = None
    try:
        ended = _trained(job, worker, hear, resume=resume)
    finally:
        # A gang that came to nothing may have lost a member, for whom leaving would wait.
        if ended is None or job.workers == 1:
            leave()
    return ended


def _device(study: Study, rank: int) -> torch.device:
    wanted, there = study.resources.gpus_per_worker, torch.cuda.device_count()
    if wanted == 0 or (wanted is None and not there):
        return torch.device("cpu")
    if rank >= there:
        rule = f"each worker takes a GPU, and there are {there}, got {study.resources.workers}"
        raise TrainingError(Problem("--workers", rule, "Ask for no more workers than GPUs."))
    return torch.device("cuda", rank)


def _trained(job: Job, worker: Worker, hear: Hear, *, resume: bool) -> Failed | None:
    data, thrift = place(job.data, worker), Thrift()
    since = plan_of(job.folder) if resume else None
    while True:
        try:
            trainer = Trainer(
                job.study,
                data,
                job.config,
                seed=job.seed,
                worker=worker,
                thrift=Thrift(thrift.steps, since),
            )
            with closing(trainer):
                if since and trainer.plan.continues(since):
                    trainer.load(job.folder)
                return _run(trainer, job, worker, hear)
        except OutOfMemory as error:
            if not error.again or job.workers > 1:
                return ending_of(error)
            print(error)
        thrift = Thrift(thrift.steps + 1)


def _run(trainer: Trainer, job: Job, worker: Worker, hear: Hear) -> Failed | None:
    saved = monotonic()
    try:
        while not trainer.finished and trainer.epoch < job.epochs:
            for observation in trainer.advance(trainer.epoch + 1):
                hear(observation)
            if _together(monotonic() - saved > EVERY_S, worker):
                trainer.save(job.folder)
                saved = monotonic()
        trainer.save(job.folder)
    except Diverged as error:
        return ending_of(error)
    return None


def _together(told: bool, worker: Worker) -> bool:  # noqa: FBT001  a word of rank 0's
    """What rank 0 says, on every member."""
    if worker.world_size == 1:
        return told
    word = torch.tensor(int(told), device=worker.device)
    distributed.broadcast(word, src=0)
    return bool(word)
