"""The Gaussian process against scikit-learn's, whose code is another."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from mmsearch.sampling import gp
from mmsearch.sampling.gp import GaussianProcess, Hyperparameters

GIVEN = Hyperparameters(np.array([0.4, 1.3, 2.0]), scale=1.7, noise=0.02)


def observed(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((n, 3))
    y = np.sin(5 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * rng.standard_normal(n)
    return x, (y - y.mean()) / y.std()


def reference(x: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
    kernel = ConstantKernel(GIVEN.scale) * Matern(GIVEN.lengthscales, nu=2.5) + WhiteKernel(
        GIVEN.noise
    )
    return GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x, y)


def test_the_posterior_is_scikit_learns() -> None:
    x, y = observed(25)
    new = np.random.default_rng(1).random((40, 3))
    mean, variance = GaussianProcess(x, y, GIVEN).predict(new)
    expected, deviation = reference(x, y).predict(new, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(variance, deviation**2 - GIVEN.noise, rtol=1e-6, atol=1e-8)


def test_the_evidence_and_its_gradient_are_scikit_learns() -> None:
    x, y = observed(25)
    theta = np.r_[np.log(GIVEN.lengthscales), np.log(GIVEN.scale), np.log(GIVEN.noise)]
    value, gradient = gp._evidence(x, y, theta)
    other = reference(x, y)
    # scikit-learn puts the kernel's variance first, and counts the constant.
    expected, slopes = other.log_marginal_likelihood(other.kernel_.theta, eval_gradient=True)
    assert value - 0.5 * len(x) * np.log(2 * np.pi) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient[:-2], slopes[1:-1], rtol=1e-5)
    np.testing.assert_allclose(gradient[-2:], [slopes[0], slopes[-1]], rtol=1e-5)


def test_what_is_fitted_predicts_what_was_held_back() -> None:
    x, y = observed(80)
    mean, _ = GaussianProcess.fitted(x[:60], y[:60]).predict(x[60:])
    assert np.corrcoef(mean, y[60:])[0, 1] > 0.9


def test_a_dimension_without_effect_gets_the_longest_lengthscale() -> None:
    x, y = observed(60)
    assert np.argmax(gp.fit(x, y).lengthscales) == 2


def test_believing_leaves_the_mean_and_takes_the_doubt_away() -> None:
    x, y = observed(20)
    new = np.random.default_rng(1).random((5, 3))
    before = GaussianProcess(x, y, GIVEN)
    after = before.believing(new)
    mean, variance = before.predict(new)
    believed, sure = after.predict(new)
    np.testing.assert_allclose(believed, mean, atol=1e-8)
    assert np.all(sure < variance)


@pytest.mark.parametrize("values", [np.zeros(8), np.r_[np.zeros(7), 1.0]], ids=["equal", "one off"])
def test_values_that_say_nothing_still_give_a_process(values: np.ndarray) -> None:
    x, _ = observed(8)
    x[3] = x[2]
    mean, variance = GaussianProcess.fitted(x, values).predict(x)
    assert np.isfinite(mean).all()
    assert np.isfinite(variance).all()
