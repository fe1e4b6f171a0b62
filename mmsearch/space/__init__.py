"""The values that each parameter of a study may take, and when a parameter exists at all.

Unusual: nothing here draws. `Space.assign` asks for one value after another, whoever answers: a
sampler, a test, a recorded trial.
"""

from mmsearch.space.distributions import (
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Primitive,
    Scalar,
    Uniform,
    ZeroOrLogUniform,
)
from mmsearch.space.model import Branch, Parameter, Row, Space
from mmsearch.space.parse import parse

__all__ = [
    "Branch",
    "Choice",
    "IntLogUniform",
    "IntUniform",
    "LogUniform",
    "Parameter",
    "Primitive",
    "Row",
    "Scalar",
    "Space",
    "Uniform",
    "ZeroOrLogUniform",
    "parse",
]
