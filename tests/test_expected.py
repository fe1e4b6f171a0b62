"""Expected performance against budget: the estimator by enumeration, and where it is not right."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from toy_report import a_record, a_study

from mmsearch.report.expected import Course, course, expected_best
from mmsearch.study import Sampler, Scheduler, Study
from mmsearch.trial import Completed, Failed, Record


def independent(trials: int = 24) -> tuple[Record, Study]:
    """A search that draws at random and trains all in full."""
    study = a_study(trials=trials)
    study = replace(study, sampler=Sampler("random"), scheduler=Scheduler("none"))
    record = a_record(study)
    ended = tuple(replace(trial, state=Completed()) for trial in record.trials)
    return replace(record, trials=ended), study


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.3, 0.1, 0.9, 0.4, 0.7, 0.2], id="all different"),
        pytest.param([0.5, 0.5, 0.9, 0.5, 0.9], id="ties"),
        pytest.param([0.25], id="one"),
    ],
)
def test_the_expected_best_is_the_mean_over_all_subsets(values):
    brute = [
        np.mean([max(subset) for subset in combinations(values, size)])
        for size in range(1, len(values) + 1)
    ]
    assert expected_best(np.array(values)) == pytest.approx(brute)


def test_it_is_unbiased_where_drawing_with_replacement_is_not():
    levels = (0.0, 1.0)
    samples = list(product(levels, repeat=4))
    truth = [1 - 0.5**size for size in range(1, 5)]
    assert expected_best(np.array(samples)).mean(axis=0) == pytest.approx(truth)
    biased = np.mean([1 - (1 - np.mean(sample)) ** 4 for sample in samples])
    assert biased < truth[-1] - 0.1


def test_a_hundred_trials_lose_no_digits():
    values = np.arange(1000.0)
    found = expected_best(values)
    sizes = np.arange(1, 1001)
    # Of 0 to N - 1, the highest of n is n (N + 1) / (n + 1) - 1 on average.
    assert found == pytest.approx(sizes * 1001 / (sizes + 1) - 1)


def test_independent_trials_give_an_expectation_without_the_published_one():
    record, study = independent()
    found = course(record, study)
    assert found.kind == "expected"
    drawn = [trial for trial in record.trials if trial.number]
    values = [trial.value for trial in drawn if trial.value is not None]
    assert found.points[0].value == pytest.approx(np.mean(values))
    assert found.points[-1].value == min(values)
    assert found.points[4].epochs == pytest.approx(5 * np.mean([trial.epoch for trial in drawn]))
    assert [point.low is None for point in found.points] == [False] * 5 + [True] * 18


def test_the_interval_of_one_trial_is_that_of_a_mean():
    record, study = independent()
    first = course(record, study).points[0]
    values = [trial.value for trial in record.trials[1:] if trial.value is not None]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert first.high == pytest.approx(first.value + 2.073873 * error)
    assert first.low == pytest.approx(first.value - 2.073873 * error)


def test_a_trial_that_failed_counts_as_the_worst():
    record, study = independent()
    last = record.trials[-1]
    trials = (*record.trials[:-1], replace(last, state=Failed("nan", "the loss is nan")))
    found = course(replace(record, trials=trials), study)
    values = [trial.value or 0.0 for trial in trials[1:-1]]
    assert found.points[0].value == pytest.approx(np.mean([*values, max(values)]))


def incumbent(found: Course) -> None:
    assert found.kind == "incumbent"
    assert all(point.low is None for point in found.points)
    values = [point.value for point in found.points]
    assert values == sorted(values, reverse=True)


def test_under_a_sampler_that_learns_the_incumbent_is_given_and_it_says_why():
    record, study = independent()
    found = course(record, replace(study, sampler=Sampler("ladder")))
    incumbent(found)
    assert "the sampler (ladder) learns from earlier trials" in found.why


def test_where_trials_are_stopped_the_incumbent_is_given_and_it_says_why():
    record, study = independent()
    found = course(record, replace(study, scheduler=Scheduler("halving")))
    incumbent(found)
    assert "the scheduler (halving) stops trials early" in found.why


def test_of_few_trials_nothing_is_estimated():
    record, study = independent(4)
    found = course(record, study)
    incumbent(found)
    assert "fewer than 4" in found.why
