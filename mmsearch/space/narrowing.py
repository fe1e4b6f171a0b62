"""A space around one configuration: what is left to tune where the rest is known.

Unusual: choices keep all their values, since none is nearer than another; what the configuration
has switched off stays off; of a branch the living arm alone is left.
"""

from collections.abc import Mapping
from math import ceil, floor, sqrt
from typing import Any

from mmsearch.space.distributions import (
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Primitive,
    Scalar,
    Uniform,
    ZeroOrLogUniform,
    is_zero,
)
from mmsearch.space.model import Branch, Parameter, Space

FACTOR = 3.0
"""How far a range of logarithms reaches, up and down."""
PART = 0.25
"""Of an even range: how far it reaches, up and down."""


def narrowed(space: Space, config: Mapping[str, Any]) -> Space:
    """The part of a space that lies around a configuration.

    Args:
        space: the whole.
        config: complete and inside the space, nested as in `[published]`.
    """
    around = {name: _around(one, config[name]) for name, one in space.parameters.items()}
    return Space({name: one for name, one in around.items() if one is not None})


def middle(primitive: Primitive) -> Scalar:
    """The value in the middle of a range, on its own scale; the first one of a choice."""
    if isinstance(primitive, Choice):
        return primitive.values[0]
    if isinstance(primitive, (LogUniform, IntLogUniform)):
        value = sqrt(primitive.low * primitive.high)
    else:
        value = (primitive.low + primitive.high) / 2
    return round(value) if isinstance(primitive, (IntUniform, IntLogUniform)) else value


def _around(parameter: Parameter, value: Any) -> Parameter | None:
    """The parameter around a value; None where nothing but the value is left."""
    if isinstance(parameter, Branch):
        arm = value["kind"]
        own = narrowed(parameter.arms[arm], value)
        return Branch({arm: own}, {arm: parameter.fixed.get(arm, {})})
    if isinstance(parameter, Choice):
        return parameter if len(parameter.values) > 1 else None
    if isinstance(parameter, ZeroOrLogUniform):
        return None if is_zero(value) else _range(parameter.positive, value)
    return _range(parameter, value)


def _range(
    parameter: Uniform | LogUniform | IntUniform | IntLogUniform, value: float
) -> Parameter | None:
    if isinstance(parameter, (LogUniform, IntLogUniform)):
        low, high = value / FACTOR, value * FACTOR
    else:
        reach = PART * (parameter.high - parameter.low)
        low, high = value - reach, value + reach
    low, high = max(parameter.low, low), min(parameter.high, high)
    if isinstance(parameter, (IntUniform, IntLogUniform)):
        least, most = floor(low), ceil(high)
        return type(parameter)(least, most) if least < most else None
    return type(parameter)(low, high) if low < high else None
