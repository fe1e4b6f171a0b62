"""What fresh seeds say of each candidate: a hierarchical normal model with unknown variances.

Value of candidate i under seed j = center + a_i + s_j + e_ij, where a_i is what the candidate is
better than the others, s_j what is common to all candidates under one seed, and e_ij noise, all
normal, of standard deviations `spread`, `common` and 1 times an unknown noise. Both ratios are
averaged over a grid, the noise and the center are integrated out. So estimates are drawn towards
the mean of the candidates, the more the less the seeds can tell them apart: which takes the
winner's luck out of its value.

Paper: the mixed-model equations are Henderson's (1950); that such a posterior needs no further
correction for selection: Dawid, "Selection paradoxes of Bayesian inference", 1994.
Unusual: the values with which the candidates came out of the search are not in it. They are the
luckiest of many: as one more seed they were seen to choose no better and to bring bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize, stats

Values = Mapping[int, Mapping[int, float]]
"""By candidate and seed; higher is better."""
SPREADS = 10.0 ** np.array([-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
"""Standard deviations of the candidates about their center, in those of the noise."""
LIKELY_SPREAD = (-0.5, 0.4)
"""Mean and standard deviation of the decimal logarithm of what is expected of it."""
UNLIKELY = 0.1
"""Share of the prior that takes any spread as likely, for searches with next to no noise."""
COMMON = np.array([0.0, 0.4, 1.0])
"""The same of what is common to all candidates under a seed."""
LIKELY_COMMON = np.array([0.5, 0.3, 0.2])
NOTHING = 1e-12
"""A square of the noise, in those of all values, below which there is none."""


@dataclass(frozen=True)
class Posterior:
    """A mixture of multivariate t distributions over the candidates' means."""

    numbers: tuple[int, ...]
    """Of the candidates."""
    weights: np.ndarray
    """(parts,)"""
    means: np.ndarray
    """(parts, candidates)"""
    scales: np.ndarray
    """(parts, candidates, candidates)"""
    noises: np.ndarray
    """(parts,): standard deviation of one seed's value."""
    freedom: int
    """Degrees of freedom."""

    @cached_property
    def mean(self) -> np.ndarray:
        """Expected value of each candidate under a new seed."""
        return self.weights @ self.means

    @property
    def noise(self) -> float:
        """Standard deviation of one seed's value about its candidate's mean."""
        return float(self.weights @ self.noises)

    def draws(self, number: int, seed: int) -> np.ndarray:
        """So many possible truths, (number, candidates); the same for the same seed."""
        rng = np.random.default_rng(seed)
        part = rng.choice(len(self.weights), size=number, p=self.weights)
        roots = np.linalg.cholesky(self.scales)
        normal = rng.standard_normal((number, len(self.numbers)))
        stretch = np.sqrt(self.freedom / rng.chisquare(self.freedom, size=number))
        moved = np.einsum("nij,nj->ni", roots[part], normal)
        return self.means[part] + stretch[:, None] * moved

    def interval(self, place: int, level: float) -> tuple[float, float]:
        """Within which the mean of a candidate lies with this probability, its ends as likely."""
        student: Any = stats.t(self.freedom)
        solver: Any = optimize
        centers = self.means[:, place]
        widths = np.sqrt(self.scales[:, place, place])

        def excess(value: float, share: float) -> float:
            return float(self.weights @ student.cdf((value - centers) / widths)) - share

        reach = widths * float(student.ppf(1 - (1 - level) / 1e3))
        low, high = float((centers - reach).min()), float((centers + reach).max())

        def end(share: float) -> float:
            return float(solver.brentq(excess, low, high, args=(share,)))

        return end((1 - level) / 2), end((1 + level) / 2)


def posterior(values: Values) -> Posterior:
    """Of the candidates' means, given at least two values.

    Candidates without a value are in it, as what is expected of any of them.
    """
    numbers = tuple(values)
    seeds = sorted({seed for own in values.values() for seed in own})
    rows = [
        (numbers.index(number), seeds.index(seed), value)
        for number, own in values.items()
        for seed, value in own.items()
    ]
    place, seed, raw = (np.array(column) for column in zip(*rows, strict=True))
    assert len(raw) > 1, "one value says nothing of the noise"
    middle, unit = float(raw.mean()), float(raw.std()) or 1.0
    design = np.zeros((len(raw), 1 + len(numbers) + len(seeds)))
    design[:, 0] = 1.0
    design[np.arange(len(raw)), 1 + place] = 1.0
    design[np.arange(len(raw)), 1 + len(numbers) + seed] = 1.0
    solved = _solved(design, (raw - middle) / unit, len(numbers), len(seeds))
    weights, means, scales, noises = solved
    return Posterior(
        numbers, weights, middle + unit * means, unit**2 * scales, unit * noises, len(raw) - 1
    )


def _solved(
    design: np.ndarray, observed: np.ndarray, candidates: int, seeds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means, scales and noises of the mixture, one part a point of the grid."""
    spreads, common = (part.ravel() for part in np.meshgrid(SPREADS, COMMON, indexing="ij"))
    # A ratio of zero is one that is too small to matter.
    ratios = np.concatenate(
        [
            np.repeat((spreads**2)[:, None], candidates, axis=1),
            np.repeat(np.maximum(common, 1e-3)[:, None] ** 2, seeds, axis=1),
        ],
        axis=1,
    )
    system = np.repeat((design.T @ design)[None], len(spreads), axis=0)
    for place in range(1, design.shape[1]):
        system[:, place, place] += 1 / ratios[:, place - 1]
    inverse = np.linalg.inv(system)
    right = design.T @ observed
    effects = inverse @ right
    freedom = len(observed) - 1
    left = np.maximum(observed @ observed - effects @ right, 0.0) + freedom * NOTHING
    evidence = -0.5 * (
        np.log(ratios).sum(axis=1) + np.linalg.slogdet(system)[1] + freedom * np.log(left)
    )
    evidence += np.log(_prior()).ravel()
    weights = np.exp(evidence - evidence.max())
    pick = np.zeros((candidates, design.shape[1]))
    pick[:, 0] = 1.0
    pick[np.arange(candidates), 1 + np.arange(candidates)] = 1.0
    square = left / freedom
    scales = square[:, None, None] * (pick @ inverse @ pick.T)
    noises = np.sqrt(square * (1 + common**2))
    return weights / weights.sum(), effects @ pick.T, scales, noises


def _prior() -> np.ndarray:
    """Of each point of the grid, (spreads, common)."""
    center, width = LIKELY_SPREAD
    logarithms = np.log10(SPREADS)
    # The grid is coarser where little is known of.
    even = np.gradient(logarithms)
    likely = even * np.exp(-0.5 * ((logarithms - center) / width) ** 2)
    mixed = (1 - UNLIKELY) * likely / likely.sum() + UNLIKELY * even / even.sum()
    return np.outer(mixed, LIKELY_COMMON)
