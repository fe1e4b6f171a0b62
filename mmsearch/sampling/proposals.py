"""Which configuration to try next: by a model of all rungs, by TPE or a process of one, at random.

Paper: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; a model of the highest
rung that has enough trials is from Falkner et al., "BOHB", 2018, arXiv 1807.01774.
Unusual: nothing lives between two proposals. A throw-away Optuna study is told what the record
says and asked once, with a seed of the trial's own, so restarts change nothing. It is never told a
value of a lower fidelity as if it were of the modelled one.
"""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from mmsearch.sampling.book import plain
from mmsearch.sampling.coordinates import Coordinates
from mmsearch.sampling.halving import reached
from mmsearch.sampling.outlook import Evidence, Outlook, informative
from mmsearch.sampling.sampler import LadderSampler
from mmsearch.sampling.scalarising import as_single
from mmsearch.sampling.threads import on_one_thread
from mmsearch.sampling.translation import everything, parameters
from mmsearch.seeds import derive
from mmsearch.space import Choice, IntLogUniform, IntUniform, LogUniform, Primitive, Uniform
from mmsearch.study import Study
from mmsearch.trial import Completed, Failed, Paused, Running, Scalar, Stopped, Trial

ENOUGH = 11
"""Trials that a fidelity needs before it is modelled. TPE takes the best tenth, rounded up, as
good: from eleven on these are two, so that no proposal leans on a single survivor."""
STATES = {
    Running: TrialState.RUNNING,
    Paused: TrialState.PRUNED,
    Stopped: TrialState.PRUNED,
    Completed: TrialState.COMPLETE,
    Failed: TrialState.FAIL,
}
"""What the ladder is told: a paused trial is not under way."""
DRAWS = 10
"""How often a configuration that is already on record is drawn again before it is accepted: a
small space runs out of others."""


@on_one_thread
def propose(
    study: Study, trials: Sequence[Trial], *, outside: Collection[int] = ()
) -> dict[str, Any]:
    """Configuration of the next trial, complete; the published one comes before those to try first.

    Args:
        study: space, sampler and seed.
        trials: all trials on record, by number.
        outside: numbers of those that do not belong to the space: the sampler is not told of them.
    """
    if len(trials) <= len(study.first):
        return dict((study.published, *study.first)[len(trials)])
    number = len(trials)
    seed = derive(study.seed, number, 0, "proposal")
    if outside:
        trials = [trial for trial in trials if trial.number not in outside]
    throwaway = _throwaway(*as_single(study, trials, number), seed)
    config: dict[str, Any] = {}
    for _ in range(DRAWS):
        config = study.configuration(study.space.assign(_asker(throwaway.ask())))
        if study.coordinates(config) not in map(attrgetter("coordinates"), trials):
            break
    return config


def belongs(study: Study, config: Mapping[str, Any]) -> bool:
    """Whether the study could propose this configuration.

    It lies inside the space, and what the space does not name is as in every proposal.
    """
    if study.space.misfits(config, place=""):
        return False
    answers = {name: answer for name, (_, answer) in study.space.primitives(config).items()}
    again = study.space.assign(lambda name, _: answers[name])
    return plain(study.configuration(again)) == plain(config)


def modelled(study: Study, trials: Sequence[Trial]) -> dict[int, float]:
    """Objective by trial number at the highest fidelity that has enough trials, else nothing.

    Failed trials are not in it, whatever they had reached.
    """
    full = study.budget.max_epochs
    sound = [trial for trial in trials if not isinstance(trial.state, Failed)]
    for fidelity in (full, *reversed(study.scheduler.rungs(full))):
        values = reached(sound, fidelity)
        if len(values) >= ENOUGH:
            return values
    return {}


def proposer(study: Study) -> str:
    """The sampler that proposes: the ladder leaves a space with conditions to TPE.

    Parameters that do not always exist make many dimensions, most of them dead in a trial, and
    there its Gaussian process was seen to do worse.
    """
    conditions = everything(study.space)[1]
    return "tpe" if study.sampler.kind == "ladder" and conditions else study.sampler.kind


@dataclass(frozen=True)
class Expectation:
    """What the record lets one expect of its trials. Those of two records cannot be compared."""

    merits: Mapping[int, float]
    """What trials are expected to be worth at full fidelity, by number; higher is better."""
    insight: Mapping[int, float]
    """Share of the differences at full fidelity that is known at a rung, by its epoch: 0 to 1."""


@on_one_thread
def expectation(study: Study, trials: Sequence[Trial]) -> Expectation:
    """Of these trials; it is empty while too few have reached a rung."""
    chosen = _informative(study, trials)
    coordinates = Coordinates(*everything(study.space))
    levels = study.scheduler.rungs(study.budget.max_epochs)
    evidence = Evidence.of(
        [_frozen(study, trial) for trial in chosen],
        coordinates,
        levels=levels,
        maximize=study.objective.direction == "maximize",
    )
    outlook = Outlook(evidence, coordinates)
    merits, insight = outlook.merits(), outlook.insight()
    if merits is None or insight is None:
        return Expectation({}, {})
    return Expectation(
        {trial.number: float(merit) for trial, merit in zip(chosen, merits, strict=True)},
        {rung: float(share) for rung, share in zip(levels, insight, strict=False)},
    )


def _throwaway(study: Study, trials: Sequence[Trial], seed: int) -> optuna.Study:
    kind = proposer(study)
    values = modelled(study, trials) if kind in {"tpe", "gp"} else {}
    throwaway = optuna.create_study(
        direction=study.objective.direction,
        sampler=_sampler(study, kind, seed, modelled=bool(values)),
    )
    if kind == "ladder":
        for trial in _informative(study, trials):
            throwaway.add_trial(_frozen(study, trial))
    for trial in trials if values else ():
        _tell(throwaway, study, trial, values)
    return throwaway


def _sampler(study: Study, kind: str, seed: int, *, modelled: bool) -> optuna.samplers.BaseSampler:
    if kind == "ladder":
        levels = study.scheduler.rungs(study.budget.max_epochs)
        space, conditions = everything(study.space)
        return LadderSampler(seed % 2**32, levels=levels, space=space, conditions=conditions)
    if not modelled:
        return optuna.samplers.RandomSampler(seed % 2**32)
    return _tpe(seed) if kind == "tpe" else _gp(seed)


def _informative(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that the ladder is told of; those that machines lost tell nothing."""
    full = study.budget.max_epochs
    known = [t for t in trials if not (isinstance(t.state, Failed) and t.state.reason == "lost")]
    sign = 1.0 if study.objective.direction == "maximize" else -1.0
    columns: list[np.ndarray] = []
    for level in (*study.scheduler.rungs(full), full):
        values = reached(known, level)
        columns.append(sign * np.array([values.get(t.number, np.nan) for t in known]))
    running = np.array([isinstance(t.state, Running) for t in known], dtype=bool)
    return [known[row] for row in informative(np.stack(columns, axis=1), running)]


def _frozen(study: Study, trial: Trial) -> FrozenTrial:
    """A trial as the ladder wants it: its values at rungs, and at the end if it completed."""
    params, distributions = parameters(study, trial)
    return optuna.trial.create_trial(
        state=STATES[type(trial.state)],
        value=trial.value if isinstance(trial.state, Completed) else None,
        params=params,
        distributions=distributions,
        intermediate_values=dict(trial.rungs),
    )


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed % 2**32, n_startup_trials=0)


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed % 2**32,
            n_startup_trials=0,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def _tell(throwaway: optuna.Study, study: Study, trial: Trial, values: Mapping[int, float]) -> None:
    """Tells one trial: its value, that it is bad, that it runs; or leaves it out.

    Left out are trials that were stopped below the modelled fidelity, and those that machines lost.
    """
    value = values.get(trial.number)
    if isinstance(trial.state, Failed) and trial.state.reason != "lost":
        value = float("inf" if study.objective.direction == "minimize" else "-inf")
    if value is None and not isinstance(trial.state, Running):
        return
    state = TrialState.RUNNING if value is None else TrialState.COMPLETE
    params, distributions = parameters(study, trial)
    throwaway.add_trial(
        optuna.trial.create_trial(
            state=state, value=value, params=params, distributions=distributions
        )
    )


def _asker(asked: optuna.Trial) -> Callable[[str, Primitive], Scalar]:
    def ask(name: str, primitive: Primitive) -> Scalar:
        match primitive:
            case Uniform(low, high):
                return asked.suggest_float(name, low, high)
            case LogUniform(low, high):
                return asked.suggest_float(name, low, high, log=True)
            case IntUniform(low, high):
                return asked.suggest_int(name, low, high)
            case IntLogUniform(low, high):
                return asked.suggest_int(name, low, high, log=True)
            case Choice(values):
                return asked.suggest_categorical(name, values)

    return ask
