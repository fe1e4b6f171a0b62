"""Which configuration to try next: at random, or by TPE that knows fidelity.

Paper: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; a model of the highest
rung that has enough trials is from Falkner et al., "BOHB", 2018, arXiv 1807.01774.
Unusual: nothing lives between two proposals. A throw-away Optuna study is told what the record
says and asked once, with a seed of the trial's own, so restarts change nothing. It is never told a
value of a lower fidelity as if it were of the modelled one.
"""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from mmsearch.sampling.book import plain
from mmsearch.sampling.coordinates import Coordinates
from mmsearch.sampling.halving import reached
from mmsearch.seeds import derive
from mmsearch.space import Choice, IntLogUniform, IntUniform, LogUniform, Primitive, Uniform
from mmsearch.study import Study
from mmsearch.trial import Failed, Running, Scalar, Trial

ENOUGH = 11
"""Trials that a fidelity needs before it is modelled. TPE takes the best tenth, rounded up, as
good: from eleven on these are two, so that no proposal leans on a single survivor."""
DRAWS = 10
"""How often a configuration that is already on record is drawn again before it is accepted: a
small space runs out of others."""


def propose(
    study: Study, trials: Sequence[Trial], *, outside: Collection[int] = ()
) -> dict[str, Any]:
    """Configuration of the next trial, complete; the published one comes first.

    Args:
        study: space, sampler and seed.
        trials: all trials on record, by number.
        outside: numbers of those that do not belong to the space: the sampler is not told of them.
    """
    if not trials:
        return dict(study.published)
    seed = derive(study.seed, len(trials), 0, "proposal")
    trials = [trial for trial in trials if trial.number not in outside]
    if study.sampler.kind == "ladder":
        return _by_ladder(study, trials, seed)
    throwaway = _throwaway(study, trials, seed)
    known = [trial.coordinates for trial in trials]
    config: dict[str, Any] = {}
    for _ in range(DRAWS):
        config = study.configuration(study.space.assign(_asker(throwaway.ask())))
        if study.coordinates(config) not in known:
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


def parameters(study: Study, trial: Trial) -> tuple[dict[str, Scalar], dict[str, BaseDistribution]]:
    """A trial's values and what each was drawn from, as Optuna wants them, by flat name."""
    asked = study.space.primitives(trial.config)
    values = {name: value for name, (_, value) in asked.items()}
    return values, {name: distribution(primitive) for name, (primitive, _) in asked.items()}


def distribution(primitive: Primitive) -> BaseDistribution:
    """Optuna's word for a distribution."""
    match primitive:
        case Uniform(low, high):
            return FloatDistribution(low, high)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case IntUniform(low, high):
            return IntDistribution(low, high)
        case IntLogUniform(low, high):
            return IntDistribution(low, high, log=True)
        case Choice(values):
            return CategoricalDistribution(values)


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


def _throwaway(study: Study, trials: Sequence[Trial], seed: int) -> optuna.Study:
    values = modelled(study, trials) if study.sampler.kind == "tpe" else {}
    throwaway = optuna.create_study(
        direction=study.objective.direction,
        sampler=_tpe(seed) if values else optuna.samplers.RandomSampler(seed % 2**32),
    )
    if values:
        for trial in trials:
            _tell(throwaway, study, trial, values)
    return throwaway


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


def outlook(study, trials):
    from mmsearch.sampling.outlook import Outlook
    return Outlook(study, trials, Coordinates(*flat(study.space)))


def _by_ladder(study, trials, seed):
    import numpy as np
    from mmsearch.sampling.outlook import Outlook, design
    distributions, conditions = flat(study.space)
    coordinates = Coordinates(distributions, conditions)
    view = Outlook(study, trials, coordinates)
    if view.ladder is None:
        places = design(len(distributions), len(trials), study.seed)
    else:
        places, _ = view.propose(np.random.default_rng(seed))
    params = coordinates.params(places)
    return study.configuration(study.space.assign(lambda name, _: params[name]))


def flat(space, prefix="", under=()):
    from mmsearch.space import Branch, ZeroOrLogUniform
    from mmsearch.space.distributions import IS_ZERO
    d, c = {}, {}
    for name, parameter in space.parameters.items():
        name = prefix + name
        if isinstance(parameter, Branch):
            d[name] = distribution(parameter.choice)
            if under: c[name] = list(under)
            for arm, inner in parameter.arms.items():
                d2, c2 = flat(inner, f"{name}.{arm}.", (*under, (name, arm)))
                d |= d2; c |= c2
        elif isinstance(parameter, ZeroOrLogUniform):
            d[f"{name}.zero"] = distribution(IS_ZERO)
            d[name] = distribution(parameter.positive)
            if under: c[f"{name}.zero"] = list(under)
            c[name] = [*under, (f"{name}.zero", False)]
        else:
            d[name] = distribution(parameter)
            if under: c[name] = list(under)
    return d, c
