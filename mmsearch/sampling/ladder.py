"""What a configuration will be worth at full fidelity, told from rung to rung.

Each rung is explained by the one below it: its values are a multiple of those of the rung below
plus a smooth function of the configuration, a Gaussian process of its own. Trials at a rung are
some of those at the rung below, so each part is fitted alone, and a trial's own value at its rung
is where its prediction starts.

Paper: Kennedy and O'Hagan, "Predicting the output from a complex computer code when fast
approximations are available", 2000; fitted part by part as in Le Gratiet and Garnier, 2014.
Unusual: the worse half of a rung's values is squeezed, so that diverged trials do not flatten what
tells good ones apart.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
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
        """Of the values of a rung."""
        median = float(np.median(values))
        above = values[values > median] - median
        spread = float(np.sqrt(np.mean(above**2))) if len(above) else 0.0
        return cls(median, spread or 1.0)

    def __call__(self, values: Array) -> Array:
        """Values warped; NaN stays."""
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

    @classmethod
    def of(cls, x: Array, below: Array, own: Array) -> Self:
        """Fitted to the trials that are known at both rungs."""
        both = np.isfinite(below) & np.isfinite(own)
        if both.sum() < PAIRS:
            return cls()
        offset, slope = _line(below[both], own[both])
        left = own[both] - offset - slope * below[both]
        variance = float(np.mean(left**2)) + 1e-6
        if both.sum() < SHIFT_PAIRS:
            return cls(offset, slope, 2 * variance)
        shift = GaussianProcess.fitted(x[both], left / np.sqrt(variance))
        return cls(offset, slope, variance, shift)

    def believing(self, x: Array) -> Self:
        """As if what it predicts of the rest had been observed there."""
        return replace(self, shift=self.shift and self.shift.believing(x))

    def up(self, mean: Array, variance: Array, x: Array) -> tuple[Array, Array]:
        """Mean and variance at the rung, from those at the rung below."""
        mean = self.offset + self.slope * mean
        variance = self.slope**2 * variance
        if self.shift is None:
            return mean, variance + self.variance
        more, unsure = self.shift.predict(x)
        scale = np.sqrt(self.variance)
        return mean + scale * more, variance + self.variance * unsure

    @property
    def noise(self) -> float:
        """Variance of what a trial's value at the rung has beside that."""
        return self.variance * self.shift.hyperparameters.noise if self.shift else 0.0


@dataclass(frozen=True)
class Ground:
    """The lowest rung: a Gaussian process of standardised values."""

    mean: float
    scale: float
    process: GaussianProcess

    @classmethod
    def of(cls, x: Array, z: Array) -> Self:
        """Fitted to what is known: [n, d], and [n] with NaN where it is not."""
        known = np.isfinite(z)
        mean, scale = float(z[known].mean()), float(z[known].std()) or 1.0
        return cls(mean, scale, GaussianProcess.fitted(x[known], (z[known] - mean) / scale))

    def believing(self, x: Array) -> Self:
        """As if its mean had been observed there."""
        return replace(self, process=self.process.believing(x))

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance."""
        mean, variance = self.process.predict(x)
        return self.mean + self.scale * mean, self.scale**2 * variance


@dataclass(frozen=True)
class Ladder:
    """The model of all rungs that enough trials have reached."""

    x: Array
    """Configurations, as points: [n, d]."""
    z: Array
    """Values at each rung as the model sees them, the lowest rung first: [n, rungs]."""
    ground: Ground
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, x: Array, values: Array) -> Self:
        """Fitted to trials.

        Args:
            x: configurations, as points: [n, d].
            values: of each at each rung, the lowest first, full fidelity last; higher is better,
                NaN where it was not reached: [n, rungs]. Two have reached the lowest.
        """
        columns: list[Array] = []
        for column in values.T:
            known = column[np.isfinite(column)]
            if columns and len(known) < PAIRS:
                break
            columns.append(Warp.of(known)(column))
        steps = tuple(Step.of(x, below, own) for below, own in pairwise(columns))
        return cls(x, np.stack(columns, axis=1), Ground.of(x, columns[0]), steps)

    def believing(self, running: Array) -> Self:
        """As if what it predicts of these trials had been observed, on rungs yet to be reached.

        Args:
            running: which of the trials: [n] of booleans.
        """
        ahead = [self.x[running & ~np.isfinite(column)] for column in self.z.T]
        steps = zip(self.steps, ahead[1:], strict=True)
        return replace(
            self,
            ground=self.ground.believing(ahead[0]),
            steps=tuple(step.believing(x) for step, x in steps),
        )

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance at the highest rung that is modelled, of new configurations."""
        mean, variance = self.ground.predict(x)
        return self._climb(mean, variance, x, 0)

    def standing(self) -> tuple[Array, Array]:
        """The same of the trials, from their own values where they have any."""
        mean, variance = self.predict(self.x)
        for level, column in enumerate(self.z.T):
            here = np.isfinite(column)
            start = column[here]
            mean[here], variance[here] = self._climb(start, 0 * start, self.x[here], level)
        return mean, variance

    def insight(self) -> Array:
        """How much of what trials come to in the end is known at each rung: [rungs], 0 to 1.

        The share of the variance of end values, over all trials that reached the lowest rung, that
        is explained by the value at a rung and by the configuration.
        """
        unsure: list[float] = []
        spread = 0.0
        for level, column in enumerate(self.z.T):
            here = np.isfinite(column)
            start = column[here]
            mean, variance = self._climb(start, 0 * start, self.x[here], level)
            spread = spread or float(mean.var())
            unsure.append(float(variance.mean()) + self._noise(level))
        return np.clip(1 - np.array(unsure) / max(spread + unsure[0], 1e-12), 0.0, 1.0)

    def _noise(self, level: int) -> float:
        """Variance that noise on the way up from a level leaves in the end."""
        noise = 0.0
        for step in self.steps[level:]:
            noise = step.slope**2 * noise + step.noise
        return noise

    def _climb(self, mean: Array, variance: Array, x: Array, level: int) -> tuple[Array, Array]:
        for step in self.steps[level:]:
            mean, variance = step.up(mean, variance, x)
        return mean, variance


def _line(below: Array, own: Array) -> tuple[float, float]:
    """A line through the pairs; with few of them, its slope is drawn towards one."""
    at, level = below.mean(), own.mean()
    off = below - at
    slope = float((1.0 + off @ (own - level)) / (1.0 + off @ off))
    slope = max(slope, 0.0)
    return float(level - slope * at), slope
