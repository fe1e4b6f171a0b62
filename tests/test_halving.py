"""Asynchronous successive halving, against a slow reference and an example worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.sampling.halving import decide, reached
from mmsearch.seeds import Seed
from mmsearch.trial import Completed, Failed, Running, Stopped, Trial, TrialState, Verdict

GO, STOP = Verdict.CONTINUE, Verdict.STOP


def trial(number: int, state: TrialState, **known: object) -> Trial:
    return Trial(number, {}, {}, Seed(0, number), state=state, **known)


@pytest.mark.parametrize(
    ("arrivals", "verdicts"),
    [
        # One in three goes on. With 1 to 5 values there is one place, with 6 there are two.
        ([0.9, 0.8, 0.85, 0.7, 0.75, 0.72], [GO, GO, STOP, GO, STOP, GO]),
        ([0.5, 0.6, 0.7], [GO, STOP, STOP]),
        ([0.5, 0.5, 0.5], [GO, GO, GO]),
    ],
    ids=["by hand", "the first is the best", "ties go on"],
)
def test_each_arrival_at_a_rung_is_judged_among_those_before_it(
    arrivals: list[float], verdicts: list[Verdict]
) -> None:
    answers = [
        decide(own, sorted(arrivals[:place]), reduction=3, direction="minimize")
        for place, own in enumerate(arrivals)
    ]
    assert answers == verdicts


def slow_reference(own: float, values: list[float], reduction: int, *, minimize: bool) -> Verdict:
    """Counts, for one value, how many are strictly better, and compares with the places."""
    better = 0
    for other in values:
        if (other < own) if minimize else (other > own):
            better += 1
    places = 1
    while (places + 1) * reduction <= len(values):
        places += 1
    return GO if better < places else STOP


@given(
    st.lists(st.floats(-3, 3).map(lambda x: round(x, 1)), min_size=1, max_size=30),
    st.integers(2, 5),
    st.booleans(),
)
def test_agrees_with_a_slow_reference(values: list[float], reduction: int, minimize: bool) -> None:
    direction = "minimize" if minimize else "maximize"
    for place, own in enumerate(values):
        others = sorted(values[:place] + values[place + 1 :])
        expected = slow_reference(own, values, reduction, minimize=minimize)
        assert decide(own, others, reduction=reduction, direction=direction) is expected


def test_a_trial_counts_at_every_rung_it_passed_with_its_value_there() -> None:
    trials = [trial(0, Stopped(9), value=0.4, rungs={3: 0.6, 9: 0.4})]
    assert reached(trials, 3) == {0: 0.6}
    assert reached(trials, 9) == {0: 0.4}
    assert reached(trials, 27) == {}


def test_a_trial_that_its_patience_ended_below_a_rung_counts_there_with_its_final_value() -> None:
    trials = [trial(0, Completed(), value=0.5, rungs={3: 0.6})]
    assert reached(trials, 3) == {0: 0.6}
    assert reached(trials, 9) == {0: 0.5}


@pytest.mark.parametrize(
    "state", [Running(), Stopped(3), Failed("nan", "")], ids=["running", "stopped", "failed"]
)
def test_a_trial_that_is_not_completed_does_not_count_at_rungs_above(state: TrialState) -> None:
    trials = [trial(0, state, value=0.5, rungs={3: 0.6})]
    assert reached(trials, 3) == {0: 0.6}
    assert reached(trials, 9) == {}
