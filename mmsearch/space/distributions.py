"""Distributions: the values one parameter may take, under the names that a study file uses.

Unusual: `Primitive` is what a sampler is asked for. `ZeroOrLogUniform` is none: it is asked for in
two steps, whether the weight is off, and if not, how large it is.
"""

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

Scalar = float | int | str | bool
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class _Range(Generic[Number]):
    """All values from `low` to `high`, both included."""

    low: Number
    high: Number

    kind: ClassVar[str]
    accepts: ClassVar[type[int] | tuple[type[int], type[float]]] = (int, float)

    def contains(self, value: object) -> bool:
        """Whether this value may be drawn."""
        return (
            isinstance(value, self.accepts)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )

    @property
    def extent(self) -> str:
        """The values in words, as a paper's table prints them."""
        return f"[{self.low}, {self.high}]"

    @property
    def table(self) -> dict[str, list[Number]]:
        """As a study file writes it."""
        return {self.kind: [self.low, self.high]}


class Uniform(_Range[float]):
    """Floats, evenly spread."""

    kind: ClassVar[str] = "uniform"


class LogUniform(_Range[float]):
    """Floats above zero whose logarithm is evenly spread."""

    kind: ClassVar[str] = "log_uniform"


class IntUniform(_Range[int]):
    """Integers, evenly spread."""

    kind: ClassVar[str] = "int_uniform"
    accepts: ClassVar[type[int] | tuple[type[int], type[float]]] = int


class IntLogUniform(_Range[int]):
    """Integers from 1 on whose logarithm is evenly spread."""

    kind: ClassVar[str] = "int_log_uniform"
    accepts: ClassVar[type[int] | tuple[type[int], type[float]]] = int


class ZeroOrLogUniform(_Range[float]):
    """A weight that is off (exactly 0.0) or log-uniform."""

    kind: ClassVar[str] = "zero_or_log_uniform"

    def contains(self, value: object) -> bool:
        """Whether this value may be drawn."""
        return is_zero(value) or super().contains(value)

    @property
    def extent(self) -> str:
        """The values in words, as a paper's table prints them."""
        return f"0 or {super().extent}"

    @property
    def positive(self) -> LogUniform:
        """What is drawn from where the weight is on."""
        return LogUniform(self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of these values, without an order between them."""

    values: tuple[Scalar, ...]

    kind: ClassVar[str] = "choice"

    def contains(self, value: object) -> bool:
        """Whether this value may be drawn; True is not 1."""
        return any(same(value, known) for known in self.values)

    @property
    def extent(self) -> str:
        """The values in words, as a paper's table prints them."""
        words = (str(value) for value in self.values)
        return ", ".join(word.lower() if word in {"True", "False"} else word for word in words)

    @property
    def table(self) -> dict[str, list[Scalar]]:
        """As a study file writes it."""
        return {self.kind: list(self.values)}


Primitive = Uniform | LogUniform | IntUniform | IntLogUniform | Choice
RangeType = type[Uniform | LogUniform | IntUniform | IntLogUniform | ZeroOrLogUniform]
RANGES: tuple[RangeType, ...] = (Uniform, LogUniform, IntUniform, IntLogUniform, ZeroOrLogUniform)
IS_ZERO = Choice((True, False))
"""What is asked first about a weight that may be off."""


def is_zero(value: object) -> bool:
    """Whether this is the number zero, which False is not."""
    return same(value, 0.0)


def same(left: object, right: object) -> bool:
    """Equality that keeps booleans and numbers apart."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right
