"""How far a gang trains before it reports, and when it saves."""

import pytest

from mmsearch.cluster.pace import Pace
from mmsearch.trial import Observation


def epochs(first: int, last: int, seconds: float) -> list[Observation]:
    return [Observation(epoch, {}, seconds) for epoch in range(first, last + 1)]


def test_the_first_stretch_is_one_epoch_as_speed_is_unknown():
    pace = Pace(rungs=(3, 9), max_epochs=27)
    pace.begin(0)
    assert pace.until() == 1


@pytest.mark.parametrize(
    ("seconds", "until"),
    [(0.01, 9), (0.25, 7), (0.5, 5), (2.0, 4)],
    ids=["up to the rung", "four epochs a second", "two a second", "never less than one"],
)
def test_a_stretch_lasts_about_a_second_and_never_passes_a_rung(seconds, until):
    pace = Pace(rungs=(3, 9), max_epochs=27)
    pace.begin(0)
    pace.trained(epochs(1, 3, seconds))
    assert pace.until() == until


def test_the_last_stretch_ends_at_full_fidelity():
    pace = Pace(rungs=(3,), max_epochs=5)
    pace.begin(0)
    pace.trained(epochs(1, 4, 0.01))
    assert pace.until() == 5


def test_speed_carries_over_to_the_next_trial():
    pace = Pace(rungs=(), max_epochs=10)
    pace.begin(0)
    pace.trained(epochs(1, 10, 0.4))
    pace.begin(0)
    assert pace.until() == 2


def test_a_trial_of_slower_epochs_than_the_one_before_reports_after_a_few():
    pace = Pace(rungs=(), max_epochs=50)
    pace.begin(0)
    pace.trained(epochs(1, 50, 0.02))
    pace.begin(0)
    assert pace.until() == 4
    pace.trained(epochs(1, 4, 0.02))
    assert pace.until() == 50


def test_saving_takes_at_most_a_twentieth_of_the_time():
    pace = Pace(rungs=(), max_epochs=10)
    pace.begin(0)
    assert not pace.saving_is_due(100.0)
    pace.saved(100.0, seconds=2.0)
    assert not pace.saving_is_due(139.0)
    assert pace.saving_is_due(140.0)


def test_what_is_saved_in_no_time_is_saved_every_ten_seconds():
    pace = Pace(rungs=(), max_epochs=10)
    pace.begin(0)
    assert not pace.saving_is_due(100.0)
    assert pace.saving_is_due(110.0)
    pace.saved(110.0, seconds=0.01)
    assert not pace.saving_is_due(119.9)
    assert pace.saving_is_due(120.0)
