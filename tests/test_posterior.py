"""The model of fresh seeds, against formulas with whole covariance matrices and known truths."""

import numpy as np
import pytest
from scipy import stats

from mmsearch.selection import posterior as module
from mmsearch.selection.posterior import posterior

VALUES = {
    3: {1: 0.9, 2: 1.4, 3: 1.1},
    5: {1: 0.2, 2: 0.5},
    8: {1: 0.7, 4: 1.9},
    9: {},
}


def dense(values):
    """The same mixture by generalised least squares, one covariance matrix a point of the grid."""
    rows = [(i, s, v) for i, own in enumerate(values.values()) for s, v in own.items()]
    y = np.array([v for *_, v in rows])
    same = np.array([[a[0] == b[0] for b in rows] for a in rows], float)
    common = np.array([[a[1] == b[1] for b in rows] for a in rows], float)
    own = np.array([[i == a[0] for a in rows] for i in range(len(values))], float)
    one, freedom = np.ones(len(y)), len(y) - 1
    weights, means, noises = [], [], []
    for spread, prior in zip(module.SPREADS, module._prior(), strict=True):
        for shared, weight in zip(np.maximum(module.COMMON, 1e-3), prior, strict=True):
            v = np.eye(len(y)) + spread**2 * same + shared**2 * common
            inverse = np.linalg.inv(v)
            center = (one @ inverse @ y) / (one @ inverse @ one)
            left = (y - center) @ inverse @ (y - center)
            evidence = -0.5 * (
                np.linalg.slogdet(v)[1] + np.log(one @ inverse @ one) + freedom * np.log(left)
            )
            weights.append(np.log(weight) + evidence)
            means.append(center + spread**2 * own @ inverse @ (y - center))
            noises.append(np.sqrt(left / freedom))
    weights = np.exp(np.array(weights) - max(weights))
    return weights / weights.sum(), np.array(means), np.array(noises)


def test_weights_and_means_are_those_of_generalised_least_squares():
    found = posterior(VALUES)
    weights, means, _ = dense(VALUES)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-5)
    np.testing.assert_allclose(found.means, means, rtol=1e-5, atol=1e-6)


def test_draws_have_the_mixtures_mean_and_interval():
    found = posterior(VALUES)
    draws = found.draws(200_000, 1)
    np.testing.assert_allclose(np.median(draws[:, 0]), found.mean[0], atol=0.02)
    low, high = found.interval(0, 0.9)
    np.testing.assert_allclose(np.quantile(draws[:, 0], [0.05, 0.95]), [low, high], atol=0.02)
    assert (found.draws(50, 3) == found.draws(50, 3)).all()


def test_a_lucky_candidate_is_drawn_towards_the_others():
    found = posterior({1: {1: 5.0, 2: 4.0}, 2: {1: 1.0, 2: 2.0}, 3: {1: 1.5, 2: 0.5}})
    assert 1.0 < found.mean[0] < 4.5


def test_without_noise_the_values_are_the_truth():
    found = posterior({1: {1: 0.4, 2: 0.4}, 2: {1: 0.3, 2: 0.3}, 3: {1: 0.1, 2: 0.1}})
    np.testing.assert_allclose(found.mean, [0.4, 0.3, 0.1], atol=1e-4)
    assert found.noise < 1e-3
    assert (found.draws(1000, 0).argmax(axis=1) == 0).mean() > 0.99


def test_one_value_many_times_is_no_division_by_zero():
    found = posterior({1: {1: 0.5, 2: 0.5}, 2: {1: 0.5}})
    np.testing.assert_allclose(found.mean, 0.5)


def test_what_all_candidates_share_under_a_seed_is_not_taken_for_a_difference():
    shift = {1: 0.0, 2: 1.0, 3: -1.2, 4: 0.4, 5: 1.1, 6: -0.9}
    noise = np.random.default_rng(3).normal(0, 0.7, size=(4, 7))
    values = {n: {s: 0.5 * n + noise[n, s] + d for s, d in shift.items()} for n in (1, 2, 3)}
    unpaired = {n: {s + 10 * n: v for s, v in own.items()} for n, own in values.items()}
    found, apart = posterior(values), posterior(unpaired)
    shared = module.COMMON[np.arange(len(found.weights)) % len(module.COMMON)]
    assert found.weights @ shared > 1.5 * (apart.weights @ shared)
    wins = [(one.draws(20_000, 0).argmax(axis=1) == 2).mean() for one in (found, apart)]
    assert wins[0] > wins[1]


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_intervals_of_the_best_of_six_hold_the_truth_as_often_as_they_say(spread):
    rng = np.random.default_rng(0)
    covered, errors, noise = [], [], 2.0
    for _ in range(250):
        truths = rng.normal(10.0, spread * noise, size=6)
        found = posterior(
            {n: {s: truths[n] + noise * rng.normal() for s in range(1, 5)} for n in range(6)}
        )
        best = int(found.mean.argmax())
        low, high = found.interval(best, 0.95)
        covered.append(low <= truths[best] <= high)
        errors.append((found.mean[best] - truths[best]) / noise)
    assert stats.binomtest(sum(covered), len(covered), 0.95).pvalue > 0.001
    assert abs(np.mean(errors)) < 0.15
