"""When a gang counts as hung, by a clock of our own."""

from itertools import pairwise

import pytest

from mmsearch.cluster.pulse import PATIENCE, Beat, Patience, Pulse, Vigil

SHORT = Patience(elsewhere_s=60.0, batches_s=10.0, pauses=20.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Pulse:
    return Pulse(SHORT, clock=clock)


def beat_after(pulse: Pulse, clock: Clock, *pauses: float) -> None:
    for pause in pauses:
        clock.now += pause
        pulse.beat()


def test_a_worker_that_builds_or_saves_may_be_still_for_longer_than_one_between_batches(
    pulse: Pulse, clock: Clock
) -> None:
    assert pulse.read().still_s == 60.0
    beat_after(pulse, clock, 0.1)
    assert pulse.read().still_s == 10.0
    pulse.rest()
    assert pulse.read().still_s == 60.0


def test_a_worker_of_slow_batches_may_be_still_for_twenty_of_its_longest_pauses(
    pulse: Pulse, clock: Clock
) -> None:
    beat_after(pulse, clock, 0.1, 2.0, 0.1)
    assert pulse.read().still_s == 40.0


def test_what_is_not_between_batches_is_no_pause(pulse: Pulse, clock: Clock) -> None:
    beat_after(pulse, clock, 50.0, 0.1)
    pulse.rest()
    beat_after(pulse, clock, 50.0, 0.1)
    assert pulse.read().still_s == 10.0


def test_every_sign_of_life_is_another_count(pulse: Pulse) -> None:
    counts = [pulse.read().count]
    for sign in (pulse.beat, pulse.beat, pulse.rest, pulse.beat):
        sign()
        counts.append(pulse.read().count)
    assert all(before != after for before, after in pairwise(counts))


def test_a_gang_hangs_when_no_worker_has_moved_for_too_long() -> None:
    vigil = Vigil(SHORT, now=0.0)
    vigil.hear({0: Beat(5, 10.0), 1: Beat(5, 10.0)}, now=1.0)
    vigil.hear({0: Beat(5, 10.0), 1: Beat(6, 10.0)}, now=9.0)
    vigil.hear({0: Beat(5, 10.0), 1: Beat(6, 10.0)}, now=19.0)
    assert not vigil.still_too_long(19.0)
    assert vigil.still_too_long(19.1)


def test_a_gang_has_the_patience_of_its_most_patient_worker() -> None:
    vigil = Vigil(SHORT, now=0.0)
    vigil.hear({0: Beat(5, 60.0), 1: Beat(5, 10.0)}, now=0.0)
    assert not vigil.still_too_long(59.0)
    assert vigil.still_too_long(60.1)


def test_a_worker_that_does_not_answer_does_not_move_and_has_no_say() -> None:
    vigil = Vigil(SHORT, now=0.0)
    vigil.hear({0: Beat(5, 60.0), 1: Beat(5, 60.0)}, now=0.0)
    vigil.hear({1: Beat(6, 10.0)}, now=1.0)
    vigil.hear({}, now=11.0)
    assert not vigil.still_too_long(11.0)
    assert vigil.still_too_long(11.1)


def test_a_gang_that_never_answers_hangs_as_one_that_does_not_start() -> None:
    vigil = Vigil(SHORT, now=0.0)
    assert not vigil.still_too_long(60.0)
    assert vigil.still_too_long(60.1)


def test_a_gang_that_hangs_between_batches_is_noticed_within_minutes() -> None:
    assert PATIENCE.batches_s + PATIENCE.look_s <= 150
    assert PATIENCE.elsewhere_s >= 5 * PATIENCE.batches_s
