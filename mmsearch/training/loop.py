"""Training one configuration with no cluster: what a test and a script use."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from mmsearch.datasets.task import SearchData
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training.endings import OutOfMemory, ending_of
from mmsearch.training.plan import Thrift
from mmsearch.training.trainer import Trainer
from mmsearch.training.worker import Worker, join, joined, leave
from mmsearch.trial import Completed, Ending, Observation, Stopped, Verdict


def train(
    study: Study,
    config: Mapping[str, Any],
    *,
    seed: Seed,
    data: SearchData,
    report: Callable[[Observation], Verdict],
    folder: Path | None = None,
) -> Ending:
    """Trains one configuration in this process until it is completed, stopped or failed.

    Where memory runs out it begins again with a thriftier plan; epochs are reported once.

    Args:
        study: what to train and for how long; on a GPU unless there is none, or
            `gpus_per_worker` is 0.
        config: the method's complete configuration.
        seed: root of all its streams.
        data: train and valid.
        report: told every epoch; its verdict may stop the trial there.
        folder: where a checkpoint and `best.pt` are left at the end; None leaves nothing.

    Raises:
        MmsearchError: what is asked for cannot be trained; all else is an ending.
    """
    assert study.resources.workers == 1, "a gang of several workers is the cluster's to start"
    worker = Worker(device=_device(study), threads=torch.get_num_threads())
    fresh, thrift = _Fresh(report), Thrift()
    with _gang_of_one(worker):
        while True:
            try:
                trainer = Trainer(study, data, config, seed=seed, worker=worker, thrift=thrift)
                with closing(trainer):
                    return _run(trainer, fresh, folder)
            except OutOfMemory as error:
                if not error.again:
                    return ending_of(error)
                print(error)
            thrift = Thrift(thrift.steps + 1)


class _Fresh:
    """A report to somebody who has been told of some epochs already."""

    def __init__(self, report: Callable[[Observation], Verdict]) -> None:
        self._report = report
        self._epoch = 0

    def __call__(self, observation: Observation) -> Verdict:
        if observation.epoch <= self._epoch:
            return Verdict.CONTINUE
        self._epoch = observation.epoch
        return self._report(observation)


def _device(study: Study) -> torch.device:
    wanted = study.resources.gpus_per_worker
    on_gpu = torch.cuda.is_available() if wanted is None else wanted > 0
    return torch.device("cuda", 0) if on_gpu else torch.device("cpu")


@contextmanager
def _gang_of_one(worker: Worker) -> Iterator[None]:
    """A process group for as long as it is needed; the one that is up already, if there is."""
    if joined():
        yield
        return
    # The file stays until the end: groups made later meet there too.
    with tempfile.TemporaryDirectory() as meeting:
        join(worker, init_method=f"file://{meeting}/meeting")
        try:
            yield
        finally:
            leave()


def _run(trainer: Trainer, report: Callable[[Observation], Verdict], folder: Path | None) -> Ending:
    ending: Ending = Completed()
    try:
        while not trainer.finished and isinstance(ending, Completed):
            for observation in trainer.advance(trainer.epoch + 1):
                if report(observation) is Verdict.STOP:
                    ending = Stopped(observation.epoch)
        if folder is not None:
            trainer.save(folder)
    except OutOfMemory:
        raise
    except Exception as error:  # noqa: BLE001  whatever a method raises ends its trial alone
        return ending_of(error)
    return ending
