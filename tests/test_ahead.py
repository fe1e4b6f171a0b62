"""Proposals made while gangs train: from what was on record after the one before, and only there
where trials are short."""

from pathlib import Path

import pytest
from toy_ledger import RATES, begin, epochs, resume, start

from mmsearch.sampling import Ledger, proposals
from mmsearch.sampling.ahead import SHORT_S, are_short
from mmsearch.sampling.book import plain
from mmsearch.trial import Completed, Observation, Trial


@pytest.fixture(autouse=True)
def models_of_few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proposed depends on what trials came to from the first one on."""
    monkeypatch.setattr(proposals, "ENOUGH", 1)


def train(ledger: Ledger, value: float, seconds: float) -> None:
    """A trial of one epoch."""
    number = begin(ledger)
    ledger.observe(number, [Observation(1, {"valid/mae": value}, seconds)])
    ledger.close(number, Completed())


def after_short_trials(ledger: Ledger) -> tuple[int, tuple[Trial, ...]]:
    """A trial that runs after two short ones, and the record when it had been proposed."""
    train(ledger, 0.5, 1.0)
    train(ledger, 0.4, 1.0)
    return begin(ledger), ledger.record().trials


def proposed_from(trials: tuple[Trial, ...]) -> object:
    return plain(proposals.propose(RATES, trials))


def test_where_trials_are_short_a_proposal_does_not_wait_for_what_came_after_the_last(
    tmp_path: Path,
) -> None:
    with start(tmp_path, RATES) as ledger:
        number, basis = after_short_trials(ledger)
        ledger.prepare()
        ledger.observe(number, epochs(1, 0.1))
        ledger.close(number, Completed())
        trial = ledger.propose()
        assert trial is not None
        assert trial.config == proposed_from(basis) != proposed_from(ledger.record().trials[:-1])
        assert trial.seen == 3 + 2 + 2


def test_it_is_made_while_there_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(tmp_path, RATES) as ledger:
        train(ledger, 0.5, 1.0)
        begin(ledger)
        ledger.prepare()
        monkeypatch.setattr(proposals, "propose", lambda *_, **__: pytest.fail("it waits"))
        assert ledger.propose()


@pytest.mark.parametrize("prepared", [True, False])
def test_a_driver_that_opens_the_record_again_makes_the_same_one(
    prepared: bool, tmp_path: Path
) -> None:
    with start(tmp_path, RATES) as ledger:
        number, basis = after_short_trials(ledger)
        ledger.observe(number, epochs(1, 0.1))
    with resume(tmp_path, RATES) as ledger:
        if prepared:
            ledger.prepare()
        ledger.close(number, Completed())
        trial = ledger.propose()
        assert trial is not None
        assert trial.config == proposed_from(basis)


def test_where_trials_are_long_a_proposal_knows_everything(tmp_path: Path) -> None:
    with start(tmp_path, RATES) as ledger:
        train(ledger, 0.5, SHORT_S)
        number = begin(ledger)
        ledger.prepare()
        ledger.observe(number, epochs(1, 0.1))
        ledger.close(number, Completed())
        known = ledger.record().trials
        trial = ledger.propose()
        assert trial is not None
        assert trial.config == proposed_from(known)


def test_nothing_is_made_for_a_budget_that_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path, RATES) as ledger:
        for _ in range(RATES.budget.trials):
            train(ledger, 0.5, 1.0)
        monkeypatch.setattr(proposals, "propose", lambda *_, **__: pytest.fail("for nobody"))
        ledger.prepare()
        assert ledger.propose() is None


def test_nobody_knows_how_long_trials_are_before_one_has_ended() -> None:
    assert not are_short([])
