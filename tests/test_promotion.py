"""Who goes on at a rung, who is paused, who is taken up again, and who is let go."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from toy_ledger import RATES

from mmsearch.sampling import promotion
from mmsearch.sampling.promotion import RESTING, Standings
from mmsearch.seeds import Seed
from mmsearch.study import Budget, Sampler, Scheduler
from mmsearch.trial import Completed, Failed, Paused, Running, Stopped, Trial, TrialState, Verdict

STUDY = replace(
    RATES,
    budget=Budget(trials=200, max_epochs=27),
    scheduler=Scheduler("promotion", first_rung=3, reduction=3),
    sampler=Sampler("ladder"),
)
"""Rungs at epochs 3 and 9 of 27; nobody goes on before 7 have come to the first."""
EXPLORED = 7


def trial(number: int, state: TrialState, *values: float) -> Trial:
    """A trial whose rate is its number's place among 40, with its values at the rungs."""
    rungs = dict(zip((3, 9, 27), values, strict=False))
    config = {"rate": (number % 40) / 40}
    end = rungs.pop(27, None)
    return Trial(number, config, dict(config), Seed(0, number), state, value=end, rungs=rungs)


def paused(*values: float, first: int = 0) -> list[Trial]:
    return [trial(first + n, Paused(3), value) for n, value in enumerate(values)]


def spread(n: int) -> Sequence[float]:
    """So many different values; the middle ones are best."""
    return [abs(k - n / 2) + 0.01 * k for k in range(n)]


def taken_up(trials: list[Trial]) -> list[int]:
    """Those that are taken up one after the other, while nothing else happens."""
    taken: list[int] = []
    while (number := Standings(STUDY, trials).promoted()) is not None:
        taken.append(number)
        trials[number] = replace(trials[number], state=Running())
    return taken


def test_a_lucky_seed_of_a_configuration_does_not_go_on_alone() -> None:
    others = paused(*spread(12))
    lucky, unlucky = trial(30, Running(), -1.0), trial(70, Paused(3), 9.0)
    assert lucky.coordinates == unlucky.coordinates
    assert Standings(STUDY, [*others, lucky]).judge(30) is Verdict.CONTINUE
    assert Standings(STUDY, [*others, unlucky, lucky]).judge(30) is Verdict.PAUSE


def test_nobody_goes_on_before_the_first_rung_has_seen_as_much_as_a_full_training() -> None:
    few = [*paused(*spread(EXPLORED - 2)), trial(30, Running(), -1.0)]
    assert Standings(STUDY, few).judge(30) is Verdict.PAUSE
    enough = [*paused(*spread(EXPLORED - 1)), trial(30, Running(), -1.0)]
    assert Standings(STUDY, enough).judge(30) is Verdict.CONTINUE


@pytest.mark.parametrize(("value", "verdict"), [(-5.0, Verdict.CONTINUE), (9.0, Verdict.PAUSE)])
def test_one_in_so_many_goes_on(value: float, verdict: Verdict) -> None:
    trials = [*paused(*spread(12)), trial(30, Running(), value)]
    assert Standings(STUDY, trials).judge(30) is verdict


def test_the_best_paused_trial_is_taken_up_and_only_while_there_is_a_place() -> None:
    trials = paused(*spread(9))
    promoted = taken_up(trials)
    best_first = sorted(range(9), key=lambda n: trials[n].rungs[3])
    assert promoted == best_first[:3]


def test_a_trial_that_disappoints_makes_room_for_another() -> None:
    trials = paused(*spread(9))
    for place in (3, 4, 5):
        trials[place] = trial(place, Stopped(9), trials[place].rungs[3], 50.0 + place)
    assert Standings(STUDY, trials).promoted() is None
    # A fourth pair tells what the second rung adds: of the first three it is bad.
    trials[6] = trial(6, Stopped(9), trials[6].rungs[3], 0.0)
    assert Standings(STUDY, trials).promoted() is not None


def test_fewer_are_held_back_where_the_rung_has_told_little_of_what_came_after() -> None:
    def who_go_on(at_end: Sequence[float]) -> int:
        trials = paused(*spread(39))
        for place, value in enumerate(at_end, start=13):
            trials[place] = trial(place, Completed(), spread(39)[place], value, value)
        return len(taken_up(trials))

    agreeing = [value - 1.0 for value in spread(39)[13:26]]
    assert who_go_on(agreeing) <= 1
    shuffled = [agreeing[place * 5 % 13] for place in range(13)]
    assert who_go_on(shuffled) > 3


def test_trials_higher_up_are_taken_up_first() -> None:
    trials = paused(*spread(12))
    for number in (5, 6, 7):
        trials[number] = trial(number, Paused(9), trials[number].rungs[3], spread(12)[number])
    assert Standings(STUDY, trials).promoted() in {5, 6, 7}


def test_only_so_many_rest_and_the_least_promising_are_let_go() -> None:
    values = [float(n) for n in range(RESTING + 3)]
    standings = Standings(STUDY, paused(*values))
    assert standings.dismissed() == [RESTING, RESTING + 1, RESTING + 2]
    late = [*paused(*values[:RESTING]), trial(30, Running(), 100.0)]
    assert Standings(STUDY, late).judge(30) is Verdict.STOP


def test_maximising_turns_it_round() -> None:
    up = replace(STUDY, objective=replace(STUDY.objective, direction="maximize"))
    trials = paused(*(-value for value in spread(9)))
    assert Standings(up, trials).promoted() == Standings(STUDY, paused(*spread(9))).promoted()


def test_failed_and_completed_trials_are_never_taken_up() -> None:
    trials: list[Trial] = paused(*spread(9))
    trials[4] = replace(trials[4], state=Failed("nan", ""))
    trials[5] = trial(5, Completed(), *[trials[5].rungs[3]] * 3)
    promoted = Standings(STUDY, trials).promoted()
    assert promoted not in {4, 5}


def test_nothing_is_fitted_where_nothing_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "expectation", lambda *_: pytest.fail("fitted"))
    standings = Standings(STUDY, [trial(n, Stopped(3), 1.0) for n in range(20)])
    assert standings.promoted() is None
    assert standings.dismissed() == []
