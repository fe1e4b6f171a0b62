"""Configurations as rows of numbers: each parameter has a place in [0, 1], drawn evenly.

A model is given features instead: what is rounded is rounded first, a choice has a column for each
value, and a parameter of an arm that is not alive is in the middle, alike for all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Array = np.ndarray
Conditions = Mapping[str, Sequence[tuple[str, Any]]]
"""By parameter: choices, and the values they must have for it to exist."""
LOCAL = 0.1
"""Standard deviation of a step to a neighbouring configuration, in places."""


class Coordinates:
    """The places of the parameters of a space.

    Args:
        distributions: by parameter.
        conditions: of those that do not always exist.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], conditions: Conditions | None = None
    ) -> None:
        self._distributions = dict(distributions)
        self._names = list(distributions)
        self._conditions = {
            name: [(self._names.index(parent), self._index(parent, value)) for parent, value in all_]
            for name, all_ in (conditions or {}).items()
        }
        self.columns = sum(_width(d) for d in self._distributions.values())
        """Of the features."""

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def places(self, params: Mapping[str, Any]) -> Array:
        """Of a configuration: [parameters]; those that do not exist are in the middle."""
        return np.array(
            [
                _place(d, params[name]) if name in params else 0.5
                for name, d in self._distributions.items()
            ]
        )

    def params(self, places: Array) -> dict[str, Any]:
        """The configuration at these places; parameters that do not exist have a value as well."""
        return {
            name: _value(d, float(place))
            for (name, d), place in zip(self._distributions.items(), places, strict=True)
        }

    def features(self, places: Array) -> Array:
        """What a model is given: [n, columns]."""
        parts: list[Array] = []
        for column, (name, d) in enumerate(self._distributions.items()):
            part = _features(d, places[:, column])
            dead = ~self._alive(places, name)
            part[dead] = 1 / part.shape[1] / 2**0.5 if part.shape[1] > 1 else 0.5
            parts.append(part)
        return np.hstack(parts)

    def neighbours(self, places: Array, rng: np.random.Generator) -> Array:
        """Of each row one that differs in one or two parameters on average."""
        n, d = places.shape
        moved = rng.random((n, d)) < max(1.5 / d, 0.3)
        moved[np.arange(n), rng.integers(0, d, n)] = True
        steps = places + LOCAL * rng.standard_normal((n, d))
        steps = np.abs(steps)
        steps = np.where(steps > 1, 2 - steps, steps)
        choices = [
            isinstance(x, CategoricalDistribution) for x in self._distributions.values()
        ]
        steps[:, choices] = rng.random((n, sum(choices)))
        return np.where(moved, steps, places)

    def _alive(self, places: Array, name: str) -> Array:
        alive = np.ones(len(places), dtype=bool)
        for parent, index in self._conditions.get(name, ()):
            d = self._distributions[self._names[parent]]
            assert isinstance(d, CategoricalDistribution)
            alive &= _indices(d, places[:, parent]) == index
        return alive

    def _index(self, name: str, value: Any) -> int:
        d = self._distributions[name]
        assert isinstance(d, CategoricalDistribution)
        return d.choices.index(value)


def _width(d: BaseDistribution) -> int:
    return len(d.choices) if isinstance(d, CategoricalDistribution) and len(d.choices) > 2 else 1


def _bounds(d: FloatDistribution | IntDistribution) -> tuple[float, float]:
    """Ends of what is drawn from, on the scale on which it is even."""
    half = (d.step or 0) / 2
    low, high = d.low - half, d.high + half
    return (float(np.log(low)), float(np.log(high))) if d.log else (low, high)


def _place(d: BaseDistribution, value: Any) -> float:
    if isinstance(d, CategoricalDistribution):
        return (d.choices.index(value) + 0.5) / len(d.choices)
    assert isinstance(d, FloatDistribution | IntDistribution)
    low, high = _bounds(d)
    at = float(np.log(value)) if d.log else float(value)
    return (at - low) / (high - low) if high > low else 0.5


def _value(d: BaseDistribution, place: float) -> Any:
    if isinstance(d, CategoricalDistribution):
        return d.choices[int(_indices(d, np.array([place]))[0])]
    assert isinstance(d, FloatDistribution | IntDistribution)
    value = float(_values(d, np.array([place]))[0])
    return int(value) if isinstance(d, IntDistribution) else value


def _values(d: FloatDistribution | IntDistribution, places: Array) -> Array:
    low, high = _bounds(d)
    at = low + places * (high - low)
    values = np.exp(at) if d.log else at
    if d.step:
        values = d.low + np.rint((values - d.low) / d.step) * d.step
    return np.clip(values, d.low, d.high)


def _indices(d: CategoricalDistribution, places: Array) -> Array:
    return np.minimum((places * len(d.choices)).astype(int), len(d.choices) - 1)


def _features(d: BaseDistribution, places: Array) -> Array:
    if isinstance(d, CategoricalDistribution):
        indices = _indices(d, places)
        if len(d.choices) <= 2:
            return indices[:, None].astype(float)
        return np.eye(len(d.choices))[indices] / 2**0.5
    assert isinstance(d, FloatDistribution | IntDistribution)
    low, high = _bounds(d)
    values = _values(d, places)
    at = np.log(values) if d.log else values
    return ((at - low) / (high - low) if high > low else np.full_like(at, 0.5))[:, None]
