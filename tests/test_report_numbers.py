"""What the report computes: progress, correlations of rungs, importances, where the time went."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from toy_report import a_record, a_study

from mmsearch.report.importances import FEWEST, importances
from mmsearch.report.ranks import Agreement, advice, agreement, spearman
from mmsearch.report.spending import spending
from mmsearch.report.timeline import gpus_per_trial, most_at_once, progress, stretches
from mmsearch.seeds import Seed
from mmsearch.trial import Completed, Observation, Record, Running, Segment, Stopped, Trial

STUDY = a_study(trials=120)
RECORD = a_record(STUDY)


def a_trial(number: int, *, begun: float, ended: float, epochs: int, value: float) -> Trial:
    seen = tuple(Observation(e, {"valid/mae": value}, 10.0) for e in range(1, epochs + 1))
    return Trial(
        number,
        {},
        {},
        Seed(0, number),
        Completed(),
        value,
        1,
        observations=seen,
        segments=(Segment("host", 0, begun),),
        started_at=begun,
        ended_at=ended,
    )


def of(*trials: Trial) -> Record:
    return replace(RECORD, trials=trials)


def test_progress_says_what_all_trials_had_spent_when_one_completed():
    first = a_trial(0, begun=0.0, ended=41.0, epochs=4, value=0.5)
    second = a_trial(1, begun=0.0, ended=72.0, epochs=7, value=0.4)
    running = replace(second, number=2, state=Running(), ended_at=None)
    points = progress(of(first, second, running))
    # At 41 s each of the three has had 4 epochs of 10 s, at 72 s the first 4 and the others 7.
    assert [(p.trial, p.value, p.trials, p.epochs) for p in points] == [
        (0, 0.5, 1, 12),
        (1, 0.4, 2, 18),
    ]
    assert [p.train_hours * 3600 for p in points] == pytest.approx([120.0, 180.0])
    assert [p.wall_hours * 3600 for p in points] == pytest.approx([41.0, 72.0])


def test_a_stopped_trial_is_no_point_of_progress_but_counts_as_spent():
    stopped = replace(a_trial(0, begun=0, ended=11, epochs=1, value=0.1), state=Stopped(1))
    completed = a_trial(1, begun=11, ended=32, epochs=2, value=0.4)
    (point,) = progress(of(stopped, completed))
    assert (point.trial, point.trials, point.epochs) == (1, 2, 3)


def test_an_epoch_belongs_to_the_last_segment_that_began_before_it():
    trial = a_trial(0, begun=100.0, ended=500.0, epochs=5, value=0.5)
    trial = replace(trial, segments=(Segment("a", 0, 100.0), Segment("b", 3, 300.0)))
    first, second = stretches(trial)
    assert (first.node, first.ends) == ("a", (110.0, 120.0, 130.0))
    assert (second.node, second.ends) == ("b", (310.0, 320.0))
    assert most_at_once((first, second)) == 1
    assert most_at_once((first, first, second)) == 2


def test_where_the_time_went_adds_up():
    found = spending(RECORD, STUDY)
    assert sum(found.train_hours_by_state.values()) == pytest.approx(found.train_hours)
    assert sum(node.train_hours for node in found.nodes) == pytest.approx(found.train_hours)
    assert found.epochs == sum(len(trial.observations) for trial in RECORD.trials)
    assert found.full_epochs == (len(RECORD.trials) - 1) * STUDY.budget.max_epochs
    assert {node.name for node in found.nodes} == {"alpha", "beta"}
    assert found.gangs == 4
    assert found.busy is not None
    assert 0.8 < found.busy <= 1.0


def test_gpus_of_a_trial_are_those_asked_for_or_one_where_there_are_some():
    assert gpus_per_trial(RECORD, STUDY) == 0.0
    with_gpus = replace(RECORD, provenance={"hardware": {"gpus": ["X"]}})
    assert gpus_per_trial(with_gpus, STUDY) == 1.0
    half = replace(STUDY, resources=replace(STUDY.resources, gpus_per_worker=0.5, workers=3))
    assert gpus_per_trial(RECORD, half) == 1.5


def test_the_correlation_is_scipys_and_its_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        left = rng.normal(size=40)
        right = 0.6 * left + 0.8 * rng.normal(size=40)
        found = spearman(list(left), list(right))
        assert found is not None
        value, low, high = found
        assert value == pytest.approx(spearmanr(left, right).statistic)
        # Of two normal variables that correlate with r it is 6 / pi * asin(r / 2).
        covered += low <= 6 / np.pi * np.arcsin(0.3) <= high
    assert 0.92 < covered / 400 < 0.985


def test_where_all_values_are_equal_there_is_no_correlation():
    assert spearman([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]) is None


def test_an_epoch_is_compared_with_full_training_over_completed_trials_alone():
    rows = {one.epoch: one for one in agreement(RECORD, STUDY)}
    completed = [t for t in RECORD.trials if isinstance(t.state, Completed)]
    early = [min(o.metrics["valid/mae"] for o in t.observations[:9]) for t in completed]
    expected = spearmanr(early, [t.value for t in completed]).statistic
    assert rows[9].correlation == pytest.approx(expected)
    assert rows[9].trials == len(completed)
    assert set(rows) == set(range(1, STUDY.budget.max_epochs))
    assert agreement(of(*completed[:5]), STUDY) == ()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((Agreement(3, 30, 0.2, -0.2, 0.5), Agreement(9, 30, 0.8, 0.6, 0.9)), "epoch 9 ranks"),
        ((Agreement(3, 30, 0.2, -0.2, 0.5),), "no epoch ranks much better"),
        ((Agreement(3, 30, 0.9, 0.8, 0.95),), "it ranks well."),
        (
            (Agreement(1, 30, 0.9, 0.75, 0.95), Agreement(3, 30, 0.9, 0.8, 0.95)),
            "epoch 1 already does",
        ),
        ((Agreement(3, 12, 0.7, 0.2, 0.9),), "cannot be told yet"),
        ((), "too few to judge"),
    ],
    ids=["too early", "all poor", "well", "earlier would do", "unsure", "too few"],
)
def test_the_advice_follows_the_interval_at_the_first_rung(found, words):
    assert words in advice(RECORD, STUDY, found)


def test_the_advice_says_what_stopping_does_to_a_correlation():
    found = (Agreement(3, 30, 0.2, -0.2, 0.5),)
    assert "first rung is too early" in advice(RECORD, STUDY, found)
    assert "stopped trials have no final value" in advice(RECORD, STUDY, found)
    completed = [t for t in RECORD.trials if not isinstance(t.state, Stopped)]
    assert "stopped" not in advice(of(*completed), STUDY, found)
    none = replace(STUDY, scheduler=replace(STUDY.scheduler, kind="none"))
    assert advice(RECORD, none, found) == "The study has no rungs: every trial is trained in full."


@pytest.fixture(scope="module")
def measured():
    return importances(RECORD, STUDY)


def test_the_parameters_that_matter_are_found_and_the_others_are_not(measured):
    full = measured[-1]
    assert full.epoch is None
    assert {one.parameter for one in full.importances[:2]} == {"fusion", "rate"}
    assert all(one.low > 0.03 for one in full.importances[:2])
    assert all(one.mean < 0.05 for one in full.importances[2:])
    assert 0.4 < full.explained < 1.0


def test_a_rung_knows_the_stopped_trials_too(measured):
    first = measured[0]
    assert (first.epoch, first.trials) == (3, sum(3 in t.rungs for t in RECORD.trials))
    assert first.trials > sum(isinstance(t.state, Completed) for t in RECORD.trials)
    rank = next(one for one in first.importances if one.parameter == "fusion.low_rank.rank")
    assert rank.trials == sum(
        "fusion.low_rank.rank" in t.coordinates for t in RECORD.trials if 3 in t.rungs
    )


def test_importances_are_the_same_each_time_and_need_enough_trials(measured):
    assert importances(RECORD, STUDY) == measured
    assert importances(replace(RECORD, trials=RECORD.trials[: FEWEST - 1]), STUDY) == ()
