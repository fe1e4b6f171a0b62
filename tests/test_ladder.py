"""What the ladder expects of trials, on values whose law is known."""

import numpy as np
import pytest

from mmsearch.sampling.acquisition import log_improvement
from mmsearch.sampling.ladder import PAIRS, Ladder, Warp


def configurations(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 2))


def values(x: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The upper rung is twice the lower one, plus something that only the configuration knows."""
    noise = 0.01 * np.random.default_rng(seed).standard_normal((len(x), 2))
    lower = np.sin(3 * x[:, 0])
    return np.stack([lower, 2 * lower + x[:, 1]], axis=1) + noise


def survivors(known: np.ndarray, share: float) -> np.ndarray:
    """The same, where only the best of the lower rung reached the upper one."""
    stopped = known[:, 0] < np.quantile(known[:, 0], 1 - share)
    known = known.copy()
    known[stopped, 1] = np.nan
    return known


def test_trials_that_never_got_there_are_ranked_as_full_training_would() -> None:
    x = configurations(60)
    truth = values(x)
    known = survivors(truth, 0.4)
    mean, _ = Ladder.of(x, known).standing()
    behind = np.isnan(known[:, 1]) & (known[:, 0] > np.median(known[:, 0]))
    assert behind.sum() >= 5
    assert np.corrcoef(mean[behind], truth[behind, 1])[0, 1] > 0.95


def test_new_configurations_are_ranked_as_full_training_would() -> None:
    x = configurations(80)
    truth = values(x)
    mean, _ = Ladder.of(x[:60], survivors(truth[:60], 0.5)).predict(x[60:])
    good = truth[60:, 0] > np.median(truth[:, 0])
    assert np.corrcoef(mean[good], truth[60:, 1][good])[0, 1] > 0.9


def test_a_trial_that_got_to_the_top_is_known_for_certain() -> None:
    x = configurations(30)
    known = survivors(values(x), 0.4)
    _, variance = Ladder.of(x, known).standing()
    there = np.isfinite(known[:, 1])
    assert np.all(variance[there] == 0)
    assert np.all(variance[~there] > 0)


def test_a_rung_that_too_few_have_reached_is_not_modelled() -> None:
    x = configurations(20)
    known = survivors(values(x), (PAIRS - 1) / 20)
    ladder = Ladder.of(x, known)
    assert ladder.z.shape[1] == 1
    assert np.argmax(ladder.standing()[0]) == np.argmax(known[:, 0])


def test_a_rung_that_agrees_with_the_end_tells_nearly_everything() -> None:
    x = configurations(60)
    lowest, end = Ladder.of(x, survivors(values(x), 0.4)).insight()
    assert lowest > 0.9
    assert end == 1.0


def test_a_rung_that_ranks_at_random_tells_little() -> None:
    x = configurations(60)
    drawn = [np.random.default_rng(seed).standard_normal((60, 2)) for seed in range(9)]
    told = [Ladder.of(x, survivors(known, 0.4)).insight() for known in drawn]
    assert np.median([lowest for lowest, _ in told]) < 0.3
    assert all(end == 1.0 for _, end in told)


def test_what_runs_is_believed_so_that_nothing_is_gained_beside_it() -> None:
    x = configurations(30)
    known = values(x)
    known[:3] = np.nan
    running = np.isnan(known[:, 0])
    ladder = Ladder.of(x, known)
    _, before = ladder.predict(x[running])
    mean, after = ladder.believing(running).predict(x[running])
    assert np.all(after < before)
    np.testing.assert_allclose(mean, ladder.predict(x[running])[0], atol=0.05)


def test_diverged_values_do_not_flatten_the_good_ones() -> None:
    plain = np.linspace(0, 1, 20)
    diverged = np.where(plain < 0.3, -1e6, plain)
    assert np.ptp(Warp.of(diverged)(diverged)[diverged > 0.5]) > 1
    warped = Warp.of(plain)(plain)
    assert np.all(np.diff(warped) > 0)


@pytest.mark.parametrize("best", [-3.0, 0.0, 1.0, 30.0, 1e5])
def test_improvement_is_that_of_a_normal_variable_even_where_it_vanishes(best: float) -> None:
    value = log_improvement(np.array([0.0]), np.array([1.0]), best)[0]
    if best <= 1:
        draws = np.random.default_rng(0).standard_normal(1_000_000)
        assert np.exp(value) == pytest.approx(np.maximum(draws - best, 0).mean(), rel=0.02)
    else:
        assert -0.51 * best**2 - 10 < value < -0.5 * best**2
