"""Players of other projects, in an environment of their own (they clash with ours and one another):

    python -m venv rivals
    rivals/bin/pip install smac dehb "syne-tune[basic]" huggingface_hub
    rivals/bin/pip install neural-pipeline-search onnxruntime
    rivals/bin/python benchmarks/search_rivals.py --data DATA/lcbench

Unusual: what they train again from scratch they are not charged for: a configuration goes on from
where it was, which flatters those that do not know of checkpoints (DEHB, SMAC).
"""

import logging
import tempfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np

from quality.clock import Job, Player
from quality.lcbench import EPOCHS, SPACE

INTEGERS = [name for name, p in SPACE.parameters.items() if "Int" in type(p).__name__]
LOGS = [name for name, p in SPACE.parameters.items() if "Log" in type(p).__name__]


def _bounds(name: str) -> tuple[Any, Any]:
    primitive: Any = SPACE.parameters[name]
    return primitive.low, primitive.high


def _plain(config: Any) -> dict[str, Any]:
    """In the order of the space, with Python's own numbers, within bounds."""
    found = {}
    for name in SPACE.parameters:
        low, high = _bounds(name)
        value = min(max(float(config[name]), low), high)
        found[name] = int(value) if name in INTEGERS else value
    return found


class _Evaluating:
    """Whoever asks for a configuration's value at a fidelity, as a whole."""

    def __init__(self) -> None:
        self._curves: dict[tuple[Any, ...], list[float]] = {}
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._asked: dict[int, Any] = {}

    def ask(self) -> tuple[Any, dict[str, Any], int] | None:
        """A job, its configuration, its fidelity."""
        raise NotImplementedError

    def tell(self, job: Any, fidelity: int, loss: float) -> None:
        raise NotImplementedError

    def next(self, worker: int) -> Job | None:
        while (asked := self.ask()) is not None:
            job, config, fidelity = asked
            key = tuple(config.values())
            seen = self._curves.setdefault(key, [])
            if len(seen) < fidelity:
                self._asked[worker] = job, key, fidelity
                number = self._numbers.setdefault(key, len(self._numbers))
                charge = "resume" if seen else "start"
                return Job(number, config, len(seen), fidelity, charge)
            self.tell(job, fidelity, -seen[fidelity - 1])
        return None

    def trained(self, worker: int, job: Job, values: np.ndarray) -> None:
        asked, key, fidelity = self._asked.pop(worker)
        curve = self._curves[key]
        if len(curve) < job.until:
            curve[job.start :] = [float(value) for value in values]
        self.tell(asked, fidelity, -curve[fidelity - 1])


def _configspace(seed: int) -> Any:
    from ConfigSpace import ConfigurationSpace, Float, Integer

    space = ConfigurationSpace(seed=seed)
    for name in SPACE.parameters:
        kind = Integer if name in INTEGERS else Float
        space.add(kind(name, _bounds(name), log=name in LOGS))
    return space


class Dehb(_Evaluating):
    """DEHB 0.1.2: Awad et al., 2021, arXiv 2105.09821."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        from dehb import DEHB

        self._folder = tempfile.TemporaryDirectory()
        self._dehb = DEHB(
            cs=_configspace(seed),
            dimensions=len(SPACE.parameters),
            min_fidelity=1,
            max_fidelity=EPOCHS,
            eta=3,
            n_workers=1,
            seed=seed,
            output_path=self._folder.name,
            save_freq="end",
            log_level="ERROR",
        )

    def ask(self) -> Any:
        job = self._dehb.ask()
        return job, _plain(job["config"]), max(1, round(job["fidelity"]))

    def tell(self, job: Any, fidelity: int, loss: float) -> None:
        self._dehb.tell(job, {"fitness": loss, "cost": fidelity})


class Smac(_Evaluating):
    """SMAC3's multi-fidelity facade (BOHB with a random forest): Lindauer et al., 2022."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        from smac import MultiFidelityFacade, Scenario

        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            _configspace(seed),
            deterministic=True,
            n_trials=100_000,
            min_budget=1,
            max_budget=EPOCHS,
            seed=seed,
            output_directory=self._folder.name,
        )
        self._smac = MultiFidelityFacade(
            scenario, _never, logging_level=logging.ERROR, overwrite=True
        )

    def ask(self) -> Any:
        info = self._smac.ask()
        return info, _plain(info.config), max(1, round(info.budget))

    def tell(self, job: Any, fidelity: int, loss: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self._smac.tell(job, TrialValue(cost=loss, time=fidelity), save=False)


def _never(config: Any, seed: int, budget: float) -> float:  # noqa: ARG001
    raise AssertionError


class Neps(_Evaluating):
    """NePS 0.13: asynchronous Hyperband, its best without priors whose weights can be had."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        import neps
        import torch
        from neps.optimizers.algorithms import async_hb

        np.random.seed(seed)  # noqa: NPY002  it draws from the global streams
        torch.manual_seed(seed)
        parameters: dict[str, Any] = {
            name: (neps.Integer if name in INTEGERS else neps.Float)(
                *_bounds(name), log=name in LOGS
            )
            for name in SPACE.parameters
        }
        parameters["epochs"] = neps.Integer(1, EPOCHS, is_fidelity=True)
        self._neps = neps.AskAndTell(async_hb(neps.SearchSpace(parameters)))

    def ask(self) -> Any:
        trial = self._neps.ask()
        return trial, _plain(trial.config), int(trial.config["epochs"])

    def tell(self, job: Any, fidelity: int, loss: float) -> None:
        self._neps.tell(job, loss)


class SyneTune:
    """A scheduler of Syne Tune 0.16 that stops trials, told of every epoch as its backends do."""

    def __init__(self, kind: str, seed: int) -> None:
        import syne_tune.optimizer.baselines as known
        from syne_tune.config_space import lograndint, loguniform, randint, uniform

        np.random.seed(seed)  # noqa: NPY002
        space = {}
        for name in SPACE.parameters:
            log, integer = name in LOGS, name in INTEGERS
            kinds = {(0, 0): uniform, (1, 0): loguniform, (0, 1): randint, (1, 1): lograndint}
            space[name] = kinds[log, integer](*_bounds(name))
        self._scheduler = getattr(known, kind)(
            space,
            metric="accuracy",
            time_attr="epoch",
            max_t=EPOCHS,
            do_minimize=False,
            random_seed=seed,
        )
        self._live: dict[int, tuple[Any, Job]] = {}
        self._trials = 0

    def next(self, worker: int) -> Job | None:
        from syne_tune.backend.trial_status import Trial

        if worker in self._live:
            trial, job = self._live[worker]
            job = Job(job.trial, job.config, job.until, job.until + 1)
        else:
            suggestion = self._scheduler.suggest()
            trial = Trial(self._trials, suggestion.config, datetime.now())
            self._scheduler.on_trial_add(trial)
            job = Job(self._trials, _plain(suggestion.config), 0, 1, "start")
            self._trials += 1
        self._live[worker] = trial, job
        return job

    def trained(self, worker: int, job: Job, values: np.ndarray) -> None:
        from syne_tune.optimizer.scheduler import SchedulerDecision

        trial, _ = self._live[worker]
        result = {"accuracy": float(values[-1]), "epoch": job.until}
        if job.until == EPOCHS:
            self._scheduler.on_trial_complete(trial, result)
            del self._live[worker]
        elif self._scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP:
            self._scheduler.on_trial_remove(trial)
            del self._live[worker]


RIVALS: dict[str, Callable[[int], Player]] = {
    "DEHB": Dehb,
    "SMAC3 multi-fidelity": Smac,
    "Syne Tune ASHA CQR": lambda seed: SyneTune("ASHACQR", seed),
    "Syne Tune ASHA BORE": lambda seed: SyneTune("ASHABORE", seed),
    "Syne Tune BOHB": lambda seed: SyneTune("BOHB", seed),
    "NePS async Hyperband": Neps,
}
