"""The ladder as a sampler of Optuna's: its own cases of conformance, and what is ours."""

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import TrialState, create_trial

from mmsearch.sampling.sampler import LadderSampler


class TestConformance(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's cases."""

    @pytest.fixture
    def sampler(self) -> Callable[[], LadderSampler]:
        return LadderSampler


def at(x: float, **told: object) -> optuna.trial.FrozenTrial:
    return create_trial(params={"x": x}, distributions={"x": FloatDistribution(0, 1)}, **told)


def proposed(trials: list[optuna.trial.FrozenTrial], times: int = 10) -> np.ndarray:
    """Of one study, under so many seeds."""
    found = []
    for seed in range(times):
        study = optuna.create_study(sampler=LadderSampler(seed, levels=(3,)))
        study.add_trials(trials)
        found.append(study.ask({"x": FloatDistribution(0, 1)}).params["x"])
    return np.array(found)


def stopped(*xs: float) -> list[optuna.trial.FrozenTrial]:
    """Trials of which epoch 3 says that .3 is best."""
    return [at(x, state=TrialState.PRUNED, intermediate_values={3: abs(x - 0.3)}) for x in xs]


def test_it_learns_from_trials_that_were_stopped() -> None:
    found = proposed(stopped(*np.linspace(0, 1, 9)))
    assert np.all(np.abs(found - 0.3) < 0.15)


def test_a_few_survivors_do_not_outweigh_the_others() -> None:
    """Whoever gets to the top has a far better value there; it still lies in a poor place."""
    trials = stopped(*np.linspace(0, 1, 12))
    trials += [at(x, value=-5 - 0.1 * x, intermediate_values={3: x - 0.3}) for x in (0.8, 0.9)]
    assert np.median(np.abs(proposed(trials) - 0.3)) < 0.2


def test_a_trial_that_failed_is_as_bad_as_the_worst() -> None:
    known = stopped(*np.linspace(0.5, 1, 6))
    failed = [at(x, state=TrialState.FAIL) for x in np.linspace(0, 0.45, 6)]
    assert np.mean(proposed(known) < 0.45) > np.mean(proposed([*known, *failed]) < 0.4)


def test_a_configuration_under_several_seeds_is_known_by_their_mean() -> None:
    known = stopped(*np.linspace(0, 1, 9))
    seeds = [at(0.6, state=TrialState.PRUNED, intermediate_values={3: v}) for v in (-1.0, 0.0, 4.0)]
    mean = at(0.6, state=TrialState.PRUNED, intermediate_values={3: 1.0})
    np.testing.assert_array_equal(proposed([*known, *seeds]), proposed([*known, mean]))


def test_proposals_made_in_parallel_differ() -> None:
    trials = stopped(0, *np.linspace(0.6, 1, 6))
    for _ in range(4):
        trials.append(at(proposed(trials, times=1)[0], state=TrialState.RUNNING))
    running = sorted(trial.params["x"] for trial in trials[-4:])
    assert np.ptp(running) > 0.01
    assert np.all(np.diff(running) > 0)


def test_the_same_seed_and_record_give_the_same_proposal() -> None:
    known = stopped(*np.linspace(0, 1, 9))
    np.testing.assert_array_equal(proposed(known), proposed(known))


def test_a_parameter_of_a_dead_arm_has_no_effect() -> None:
    space = {
        "kind": CategoricalDistribution(("a", "b")),
        "depth": FloatDistribution(0, 1),
    }
    sampler = LadderSampler(0, space=space, conditions={"depth": (("kind", "b"),)})
    study = optuna.create_study(sampler=sampler)
    for number in range(20):
        trial = study.ask()
        if trial.suggest_categorical("kind", ("a", "b")) == "a":
            study.tell(trial, 1.0)
        else:
            study.tell(trial, abs(trial.suggest_float("depth", 0, 1) - 0.6))
        assert trial.number == number
    assert study.best_params["kind"] == "b"
    assert study.best_params["depth"] == pytest.approx(0.6, abs=0.05)
