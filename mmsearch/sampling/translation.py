"""A space and its configurations in Optuna's words: flat names, values, distributions."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mmsearch.space import (
    Branch,
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Primitive,
    Space,
    Uniform,
    ZeroOrLogUniform,
)
from mmsearch.space.distributions import IS_ZERO
from mmsearch.study import Study
from mmsearch.trial import Scalar, Trial

Conditions = Mapping[str, tuple[tuple[str, Any], ...]]
"""By parameter: choices, and the values they must have for it to exist."""


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


def parameters(study: Study, trial: Trial) -> tuple[dict[str, Scalar], dict[str, BaseDistribution]]:
    """A trial's values and what each was drawn from, as Optuna wants them, by flat name."""
    asked = study.space.primitives(trial.config)
    values = {name: value for name, (_, value) in asked.items()}
    return values, {name: distribution(primitive) for name, (primitive, _) in asked.items()}


def everything(
    space: Space, prefix: str = "", given: tuple[tuple[str, Any], ...] = ()
) -> tuple[dict[str, BaseDistribution], dict[str, tuple[tuple[str, Any], ...]]]:
    """All parameters that may ever exist, by flat name, and what each needs to exist."""
    known: dict[str, BaseDistribution] = {}
    needs: dict[str, tuple[tuple[str, Any], ...]] = {}

    def add(name: str, primitive: Primitive, *more: tuple[str, Any]) -> None:
        known[name] = distribution(primitive)
        if given or more:
            needs[name] = (*given, *more)

    for key, parameter in space.parameters.items():
        name = prefix + key
        if isinstance(parameter, Branch):
            add(name, parameter.choice)
            for arm, inner in parameter.arms.items():
                own = everything(inner, f"{name}.{arm}.", (*given, (name, arm)))
                known |= own[0]
                needs |= own[1]
        elif isinstance(parameter, ZeroOrLogUniform):
            add(f"{name}.zero", IS_ZERO)
            add(name, parameter.positive, (f"{name}.zero", False))
        else:
            add(name, parameter)
    return known, needs
