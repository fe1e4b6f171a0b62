"""Random configurations of a space."""

from typing import Any

import numpy as np

from mmsearch.space import Choice, IntUniform, LogUniform, Space, Uniform


def draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A random configuration: each parameter that exists from its distribution."""

    def ask(_name: str, primitive: Any) -> Any:
        at = rng.random()
        if isinstance(primitive, Choice):
            return primitive.values[int(at * len(primitive.values))]
        low, high = primitive.low, primitive.high
        match primitive:
            case Uniform():
                return low + at * (high - low)
            case LogUniform():
                return float(low * (high / low) ** at)
            case IntUniform():
                return int(low + np.floor(at * (high - low + 1)))
            case _:
                span = np.log(high + 0.5) - np.log(low - 0.5)
                value = np.rint(np.exp(np.log(low - 0.5) + at * span))
                return int(np.clip(value, low, high))

    return space.assign(ask)
