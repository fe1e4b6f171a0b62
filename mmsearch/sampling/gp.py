"""A Gaussian process that is light enough to be fitted anew for every proposal.

Paper: the prior on lengthscales is from Hvarfner et al., "Vanilla Bayesian Optimization Performs
Great in High Dimensions", 2024, arXiv 2402.02229.
Unusual: gradients are written out, in two products of matrices: with some hundred points a fit
takes some tens of milliseconds, where automatic differentiation, or scikit-learn's array of
[n, n, d], takes a second.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.linalg import cho_solve, cholesky, lapack, solve_triangular
from scipy.optimize import minimize

Array = np.ndarray
SQRT5 = np.sqrt(5.0)
NOISE = (-5.0, 1.5)
"""Mean and standard deviation of the prior on the logarithm of the noise's variance."""
SCALE = (0.0, 1.0)
"""The same of the kernel's variance."""
FLOOR = 1e-6
"""Least variance of the noise, for matrices that can be factored."""
STEPS = 30
"""Of the optimiser; what it has not found by then hardly changes a proposal."""


@dataclass(frozen=True)
class Hyperparameters:
    """Of a Matérn 5/2 kernel with a lengthscale for each dimension, and noise."""

    lengthscales: Array
    scale: float
    """Variance of the process."""
    noise: float
    """Variance of what an observation adds."""


class GaussianProcess:
    """The posterior of a function, given observations whose mean is zero.

    Args:
        x: points: [n, d].
        y: values: [n].
        hyperparameters: of kernel and noise.
    """

    def __init__(self, x: Array, y: Array, hyperparameters: Hyperparameters) -> None:
        self.hyperparameters = hyperparameters
        self._x, self._y = x, y
        covariance = kernel(x, x, hyperparameters)
        covariance[np.diag_indices_from(covariance)] += hyperparameters.noise
        self._root = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._root, True), y, check_finite=False)

    @classmethod
    def fitted(cls, x: Array, y: Array) -> Self:
        """With the most probable hyperparameters, given the observations."""
        return cls(x, y, _remembered(x.tobytes(), y.tobytes(), x.shape[1]))

    def believing(self, x: Array) -> "GaussianProcess":
        """As if its own mean had been observed at these points, which running trials will tell."""
        if not len(x):
            return self
        y, _ = self.predict(x)
        return GaussianProcess(
            np.vstack([self._x, x]), np.r_[self._y, y], self.hyperparameters
        )

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance of the function, without noise, at each point: [m], [m]."""
        across = kernel(self._x, x, self.hyperparameters)
        half = solve_triangular(self._root, across, lower=True, check_finite=False)
        variance = self.hyperparameters.scale - np.einsum("ij,ij->j", half, half)
        return across.T @ self._weights, np.maximum(variance, 1e-12)


def kernel(left: Array, right: Array, hyperparameters: Hyperparameters) -> Array:
    """Covariance of the function at every pair of points: [n, m]."""
    root = SQRT5 * np.sqrt(_squared(left, right, hyperparameters.lengthscales))
    return hyperparameters.scale * (1 + root + root**2 / 3) * np.exp(-root)


@lru_cache(maxsize=32)
def _remembered(x: bytes, y: bytes, columns: int) -> Hyperparameters:
    """The same observations are asked about several times in a row."""
    return fit(np.frombuffer(x).reshape(-1, columns), np.frombuffer(y))


def fit(x: Array, y: Array) -> Hyperparameters:
    """The most probable hyperparameters: a deterministic search from the priors' medians."""
    d = x.shape[1]
    centre = np.r_[np.full(d, np.sqrt(2) + 0.5 * np.log(d)), SCALE[0], NOISE[0]]
    spread = np.r_[np.full(d, np.sqrt(3)), SCALE[1], NOISE[1]]
    start = np.r_[np.full(d, 0.5 * np.log(d) - 0.5), SCALE[0], NOISE[0]]

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = _evidence(x, y, theta)
        off = (theta - centre) / spread
        return 0.5 * off @ off - value, off / spread - gradient

    bounds = [(-4.0, 8.0)] * d + [(-6.0, 4.0), (np.log(FLOOR), 1.0)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
    )
    return _hyperparameters(found.x)


def _hyperparameters(theta: Array) -> Hyperparameters:
    return Hyperparameters(np.exp(theta[:-2]), float(np.exp(theta[-2])), float(np.exp(theta[-1])))


def _squared(left: Array, right: Array, lengthscales: Array) -> Array:
    left, right = left / lengthscales, right / lengthscales
    squared = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
    return np.maximum(squared, 0.0)


def _evidence(x: Array, y: Array, theta: Array) -> tuple[float, Array]:
    """Logarithm of the marginal likelihood, but for a constant, and its gradient."""
    given = _hyperparameters(theta)
    scaled = x / given.lengthscales
    root = SQRT5 * np.sqrt(_squared(x, x, given.lengthscales))
    decay = given.scale * np.exp(-root)
    covariance = decay * (1 + root + root**2 / 3)
    noisy = covariance.copy()
    noisy[np.diag_indices_from(noisy)] += given.noise + 1e-9
    factor, failed = lapack.dpotrf(noisy, lower=1)
    if failed:
        return -1e10, np.zeros_like(theta)
    weights = cho_solve((factor, True), y, check_finite=False)
    value = -0.5 * y @ weights - np.log(np.diag(factor)).sum()
    inverse = lapack.dpotri(factor, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    outer = np.outer(weights, weights) - inverse
    # d kernel / d log lengthscale_j = 5/3 (1 + root) scale exp(-root) (difference_j / l_j)^2
    inner = outer * decay * (1 + root) * (5 / 3)
    lengths = (inner.sum(1) @ scaled**2) - np.einsum("ij,ij->j", scaled, inner @ scaled)
    scale = 0.5 * (outer * covariance).sum()
    noise = 0.5 * np.trace(outer) * given.noise
    return float(value), np.r_[lengths, scale, noise]
