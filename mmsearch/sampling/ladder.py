"""What a configuration will be worth at full fidelity, told from rung to rung.

Each rung is explained by the one below it: its values are a multiple of those of the rung below
plus a smooth function of the configuration, a Gaussian process of its own. Trials at a rung are some
of those at the rung below, so each part is fitted alone, and a trial's own value at its rung is
where its prediction starts.

Paper: Kennedy and O'Hagan, "Predicting the output from a complex computer code when fast
approximations are available", 2000; fitted part by part as in Le Gratiet and Garnier, 2014.
Unusual: the worse half of a rung's values is squeezed, so that diverged trials do not flatten what
tells good ones apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mmsearch.sampling.gp import GaussianProcess

Array = np.ndarray
PAIRS = 4
"""Trials that two neighbouring rungs must share before the upper one is modelled."""
SHIFT_PAIRS = 6
"""Trials that they must share before what the configuration adds is modelled."""
STEP = 0.5
"""Standard deviation that a rung not modelled yet is supposed to add."""


@dataclass(frozen=True)
class Warp:
    """Values of one rung as the model sees them: higher is better, the worse half squeezed."""

    median: float
    spread: float
    """Of the better half, about the median."""

    @classmethod
    def of(cls, values: Array) -> Self:
        median = float(np.median(values))
        above = values[values > median] - median
        spread = float(np.sqrt(np.mean(above**2))) if len(above) else 0.0
        return cls(median, spread or 1.0)

    def __call__(self, values: Array) -> Array:
        scaled = (values - self.median) / self.spread
        return np.where(scaled < 0, -np.log1p(np.maximum(-scaled, 0)), scaled)


@dataclass(frozen=True)
class Step:
    """How a rung follows from the one below: `offset + slope * below + shift(configuration)`."""

    offset: float = 0.0
    slope: float = 1.0
    variance: float = STEP**2
    """Of what the line leaves over."""
    shift: GaussianProcess | None = None

    def up(self, mean: Array, variance: Array, x: Array) -> tuple[Array, Array]:
        """Mean and variance at the rung, from those at the rung below."""
        mean = self.offset + self.slope * mean
        variance = self.slope**2 * variance
        if self.shift is None:
            return mean, variance + self.variance
        more, unsure = self.shift.predict(x)
        scale = np.sqrt(self.variance)
        return mean + scale * more, variance + self.variance * unsure


class Ladder:
    """The model of all rungs.

    Args:
        x: configurations, as points: [n, d].
        values: of each at each rung, the lowest first, full fidelity last; higher is better, NaN
            where it was not reached: [n, rungs]. The lowest rung has at least two.
    """

    def __init__(self, x: Array, values: Array) -> None:
        self._warps: list[Warp] = []
        columns: list[Array] = []
        for column in values.T:
            known = column[np.isfinite(column)]
            if columns and len(known) < PAIRS:
                break
            warp = Warp.of(known)
            self._warps.append(warp)
            columns.append(warp(column))
        self.x = x
        self.z = np.stack(columns, axis=1)
        """Values as the model sees them, of the rungs that it models: [n, modelled]."""
        self.ground = _ground(x, self.z[:, 0])
        self.steps = [_step(x, below, own) for below, own in zip(columns, columns[1:], strict=False)]
        self.ahead = values.shape[1] - self.z.shape[1]
        """Rungs above that have too few trials to be modelled."""

    @property
    def top(self) -> int:
        """The highest rung that is modelled."""
        return self.z.shape[1] - 1

    def believe(self, running: Array) -> None:
        """Takes what it predicts of these trials as observed, on all rungs they have not reached.

        Args:
            running: which of the trials: [n] of booleans.
        """
        self.ground.believe(self.x[running & ~np.isfinite(self.z[:, 0])])
        for level, step in enumerate(self.steps):
            below = running & ~np.isfinite(self.z[:, level + 1])
            if step.shift is not None:
                self.steps[level] = replace(step, shift=step.shift.believing(self.x[below]))

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance at the highest rung that is modelled, of new configurations."""
        mean, variance = self.ground(x)
        return self._climb(mean, variance, x, 0)

    def standing(self) -> tuple[Array, Array]:
        """The same of the trials, from their own values where they have any."""
        mean, variance = self.predict(self.x)
        for level in range(self.z.shape[1]):
            here = np.isfinite(self.z[:, level])
            if here.any():
                start = self.z[here, level]
                mean[here], variance[here] = self._climb(
                    start, np.zeros_like(start), self.x[here], level
                )
        return mean, variance

    def _climb(self, mean: Array, variance: Array, x: Array, level: int) -> tuple[Array, Array]:
        for step in self.steps[level:]:
            mean, variance = step.up(mean, variance, x)
        return mean, variance


class Ground:
    """The lowest rung: standardised, then a Gaussian process."""

    def __init__(self, x: Array, z: Array) -> None:
        self.mean, self.scale = float(z.mean()), float(z.std()) or 1.0
        self.process = GaussianProcess.fitted(x, (z - self.mean) / self.scale)

    def believe(self, x: Array) -> None:
        self.process = self.process.believing(x)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        mean, variance = self.process.predict(x)
        return self.mean + self.scale * mean, self.scale**2 * variance


def _ground(x: Array, z: Array) -> Ground:
    known = np.isfinite(z)
    return Ground(x[known], z[known])


def _step(x: Array, below: Array, own: Array) -> Step:
    both = np.isfinite(below) & np.isfinite(own)
    if both.sum() < PAIRS:
        return Step()
    offset, slope = _line(below[both], own[both])
    left = own[both] - offset - slope * below[both]
    variance = float(np.mean(left**2)) + 1e-6
    if both.sum() < SHIFT_PAIRS:
        return Step(offset, slope, variance * 2)
    shift = GaussianProcess.fitted(x[both], left / np.sqrt(variance))
    return Step(offset, slope, variance, shift)


def _line(below: Array, own: Array) -> tuple[float, float]:
    """A line through the pairs; with few of them, its slope is drawn towards one."""
    at, level = below.mean(), own.mean()
    off = below - at
    slope = float((1.0 + off @ (own - level)) / (1.0 + off @ off))
    slope = max(slope, 0.0)
    return float(level - slope * at), slope
