"""One configuration, trained epoch by epoch: observed, saved, resumed, ended by its patience."""

import ctypes
import gc
import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from mmsearch import backbones, methods
from mmsearch.batch import Batch, are_features
from mmsearch.datasets.task import SearchData
from mmsearch.errors import TrainingError
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import checkpoint, engine, rates, settings
from mmsearch.training.checkpoint import Fingerprint, Standing
from mmsearch.training.endings import Diverged, OutOfMemory, ending_of, means_out_of_memory
from mmsearch.training.epoch import Epochs
from mmsearch.training.evaluation import evaluate
from mmsearch.training.front import Front
from mmsearch.training.memory import at_hand, fitting, weights
from mmsearch.training.plan import Plan, Plans, Thrift, choose
from mmsearch.training.worker import Worker
from mmsearch.trial import Observation


class Trainer:
    """Trains one configuration on one gang; every worker of it has one and calls it alike."""

    def __init__(
        self,
        study: Study,
        data: SearchData,
        config: Mapping[str, Any],
        *,
        seed: Seed,
        worker: Worker,
        thrift: Thrift | None = None,
    ) -> None:
        """Builds the method and its engines; the worker has joined its gang.

        Args:
            study: what to train; its ZeRO stage may be raised where memory is short.
            data: train and valid.
            config: the method's complete configuration.
            seed: root of all its streams.
            worker: one of the gang.
            thrift: with which of its plans to begin.

        Raises:
            OutOfMemory: also from `advance`, `save` and `load`; the trainer is of no use then.
            TrainingError: the method's phases or the objective's metric do not suit the study.
            StudyError: `config` is not one of the method's.
        """
        problems = tuple(settings.objective_problems(study, data.task))
        if problems:
            raise TrainingError(problems)
        _set_aside()
        checked = methods.complete(study.method, config)
        under = Front(checked)
        own = backbones.seen(data, checked)
        torch.manual_seed(seed.stream("weights"))
        method = methods.build(study.method, config, own.task)
        rows = min(method.config.batch_size, len(own.train))
        fits = fitting(weights(study, method, under), worker, at_hand(worker))
        self._plans = choose(study, method, worker, rows=rows, thrift=thrift or Thrift(), fits=fits)
        self._study = study = self.plan.of(study)
        self._config = method.config
        self._data = place(own, worker)
        self._seed = seed
        with self._in_memory():
            self._engines = engine.build(study, method, under, worker)
        self._epochs = Epochs(
            self._engines,
            self._data.train,
            method.config,
            study.budget.max_epochs,
            seed,
            self.plan.micro_batch,
        )
        self._standing = Standing(epoch=0, best_epoch=0, best_value=None)
        self._best: dict[str, Tensor] = {}

    @property
    def plan(self) -> Plan:
        """How the trial lies in memory."""
        return self._plans.current

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._standing.epoch

    @property
    def best_value(self) -> float | None:
        """Objective of the best epoch so far; None before the first."""
        return self._standing.best_value

    @property
    def finished(self) -> bool:
        """Whether full fidelity is reached, or the objective has not improved for too long."""
        waited = self.epoch - self._standing.best_epoch
        patience = self._config.patience
        return self.epoch >= self._study.budget.max_epochs or 0 < patience <= waited

    def advance(self, until: int) -> list[Observation]:
        """Trains until this many epochs are done, or the trial is finished.

        Returns:
            One observation per epoch: `valid/<metric>` in original units, `train/loss`,
            `train/<term>`, `train/lr/<group>`, `train/gradient_norm` (of the summed gradients,
            before clipping, averaged over steps), `train/samples_per_second`.

        Raises:
            Diverged: with the observations of the epochs before.
        """
        observations: list[Observation] = []
        while self.epoch < until and not self.finished:
            started = perf_counter()
            with self._in_memory():
                found = self._train_and_evaluate(self.epoch + 1)
            broken = [name for name in self._watched(found) if not isfinite(found[name])]
            if broken:
                raise Diverged(self.epoch + 1, broken[0], observations)
            self._note(found)
            observations.append(Observation(self.epoch, found, perf_counter() - started))
        return observations

    def measure(self, split: Batch) -> dict[str, float]:
        """Metrics of the weights as they are on another split, in original units."""
        with self._in_memory():
            return evaluate(self._engines, split, self._data.task)

    def save(self, folder: Path) -> None:
        """Writes a checkpoint, and `best.pt`: the weights of the epoch the trial's value is from.

        Called by all workers; all must see the folder, and what it held is replaced.
        """
        last = self._study.objective.epoch == "last"
        with self._in_memory():
            best = checkpoint.weights(self._engines) if last else self._best
            checkpoint.save(
                folder,
                self._engines,
                self._standing,
                best,
                fingerprint=self._fingerprint(),
                plan=self.plan,
            )

    def load(self, folder: Path) -> None:
        """Goes on from a checkpoint; called by all workers before the first epoch.

        Raises:
            TrainingError: the folder is not a checkpoint of this very trial on as many workers.
        """
        assert self.epoch == 0, "a checkpoint is loaded into a new trainer"
        with self._in_memory():
            self._standing, self._best = checkpoint.load(
                folder, self._engines, fingerprint=self._fingerprint()
            )

    def close(self) -> None:
        """Frees what the engines hold; the trainer is of no use afterwards."""
        self._engines.destroy()
        on_gpu = self._engines.worker.device.type == "cuda"
        del self._engines, self._epochs
        gc.collect()
        _give_back()
        if on_gpu:
            torch.cuda.empty_cache()

    @contextmanager
    def _in_memory(self) -> Iterator[None]:
        """Raises OutOfMemory for whatever exception means it."""
        try:
            yield
        except Exception as error:
            if not means_out_of_memory(error):
                raise
            # They hold what the step had made, which the next plan needs the memory of.
            traceback.clear_frames(error.__traceback__)
            raise _out_of_memory(self._plans, error) from error

    def _train_and_evaluate(self, epoch: int) -> dict[str, float]:
        schedule, watched = self._config.lr_schedule, self._standing.watched
        objective = self._study.objective
        factor = rates.scale(schedule, epoch=epoch, watched=watched, objective=objective)
        rates.apply(schedule, self._engines.passes, factor)
        curves = self._epochs.run(epoch)
        values = evaluate(self._engines, self._data.valid, self._data.task)
        return {**{f"valid/{name}": value for name, value in values.items()}, **curves}

    def _watched(self, found: Mapping[str, float]) -> list[str]:
        return ["train/loss", *(name for name in found if name.startswith("valid/"))]

    def _note(self, found: Mapping[str, float]) -> None:
        """Counts the epoch, and keeps its weights if it is the best so far."""
        objective, standing = self._study.objective, self._standing
        value, best = found[objective.metric], standing.best_value
        noted = rates.watched_value(self._config.lr_schedule, found, objective)
        watched = standing.watched if noted is None else (*standing.watched, noted)
        self._standing = replace(standing, epoch=standing.epoch + 1, watched=watched)
        if best is None or objective.better(value, best):
            self._standing = replace(self._standing, best_epoch=self.epoch, best_value=value)
            if objective.epoch == "best":
                self._best = checkpoint.weights(self._engines)
        elif self._config.reload_best:
            checkpoint.restore(self._engines, self._best)

    def _fingerprint(self) -> Fingerprint:
        config = json.dumps(self._config.model_dump(mode="json"), sort_keys=True)
        return Fingerprint(
            method=self._study.method,
            config=sha256(config.encode()).hexdigest(),
            data=self._data.fingerprint,
            seed=(self._seed.study, self._seed.trial, self._seed.replicate),
            world_size=self._engines.worker.world_size,
            stage=self._engines.stage,
            dtype=str(self._engines.dtype),
        )


def _out_of_memory(plans: Plans, error: Exception) -> OutOfMemory:
    cause = ending_of(error).message
    if plans.thriftier:
        told = f"out of memory with {plans.current}; again with {plans.thriftier}: {cause}"
        return OutOfMemory(told, again=True)
    tried = f"; tried {'; '.join(map(str, plans.tried))}" if len(plans.tried) > 1 else ""
    return OutOfMemory(cause + tried, again=False)


def _set_aside() -> None:
    """Takes what is there before a trial out of the collection after it.

    Engines are full of cycles, so each trial ends with a collection; going through everything
    that DeepSpeed imports would take longer than building an engine.
    """
    gc.collect()
    gc.freeze()


def _give_back() -> None:
    """Gives the heap's free pages back to the system, where its C library is one that can.

    Models of many sizes, one after another, leave it in pieces: ten megabytes in a hundred trials.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def place(data: SearchData, worker: Worker) -> SearchData:
    """The data on the worker's device, as `Trainer` wants it; quick where it is there already.

    Lengths stay on the CPU, where cutting a batch to its longest example costs no waiting; and so
    does what networks read, which may be large: only a batch of it at a time is moved.
    """

    def moved(split: Batch) -> Batch:
        on_device = split.to(worker.device)
        read = {name: v for name, v in split.inputs.items() if not are_features(v)}
        return replace(
            on_device,
            inputs={**on_device.inputs, **read},
            lengths={name: v.cpu() for name, v in split.lengths.items()},
        )

    return replace(data, train=moved(data.train), valid=moved(data.valid))
