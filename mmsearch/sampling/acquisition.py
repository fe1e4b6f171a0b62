"""Where to look next: the configuration that is expected to improve most on the best so far."""

from collections.abc import Callable

import numpy as np
from scipy.special import erfcx, log_ndtr

Array = np.ndarray
Places = Array
GLOBAL = 512
"""Configurations drawn evenly."""
STARTS = 16
"""Of the best of them and of the best trials, whose neighbours are looked at."""
ROUNDS = 6
NEIGHBOURS = 8


def log_improvement(mean: Array, variance: Array, best: float) -> Array:
    """Logarithm of the expected improvement over `best`, exact far below it as well.

    Paper: Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian
    Optimization", 2023, arXiv 2310.20708.
    """
    deviation = np.sqrt(variance)
    u = (mean - best) / deviation
    density = -0.5 * u**2 - 0.5 * np.log(2 * np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = density + np.log1p(u * np.exp(log_ndtr(u) - density))
        # phi + u Phi = phi (1 + u Phi/phi), and Phi/phi = sqrt(pi/2) erfcx(-u/sqrt 2)
        far = density + np.log(-np.expm1(np.log(np.maximum(-u, 1e-300) * _mills(u))))
        very_far = density - 2 * np.log(np.maximum(-u, 1.0))
    value = np.where(u > -1, near, np.where(u > -1e3, far, very_far))
    return value + np.log(deviation)


def _mills(u: Array) -> Array:
    return np.sqrt(np.pi / 2) * erfcx(-u / np.sqrt(2))


def search(
    worth: Callable[[Places], Array],
    draw: Callable[[int], Places],
    neighbours: Callable[[Places], Places],
    starts: Places,
) -> tuple[Places, float]:
    """The best configuration found, and its worth: even draws, then neighbours of the best.

    Args:
        worth: of configurations: [n].
        draw: so many of them.
        neighbours: one of each.
        starts: configurations known to be good.
    """
    pool = np.vstack([draw(GLOBAL), starts])
    worths = worth(pool)
    for _ in range(ROUNDS):
        order = np.argsort(-worths, kind="stable")[:STARTS]
        pool, worths = pool[order], worths[order]
        near = neighbours(np.repeat(pool, NEIGHBOURS, axis=0))
        pool = np.vstack([pool, near])
        worths = np.r_[worths, worth(near)]
    best = int(np.argmax(worths))
    return pool[best], float(worths[best])
