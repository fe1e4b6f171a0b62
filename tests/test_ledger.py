"""The ledger: what it proposes, what it writes down, and what Optuna makes of it."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from toy_ledger import PROVENANCE, STUDY, begin, epochs, journal, resume, start, train

from mmsearch.sampling import Ledger, read
from mmsearch.sampling.ledger import ATTEMPTS
from mmsearch.seeds import Seed
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Loss,
    Observation,
    Running,
    Segment,
    Stopped,
    Verdict,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    with start(tmp_path) as opened:
        yield opened


def in_optuna(folder: Path) -> list[FrozenTrial]:
    """The trials as Optuna itself reads them."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name="toy", storage=storage).trials


def test_trial_0_is_the_published_configuration(ledger: Ledger) -> None:
    trial = ledger.propose()
    assert trial.published
    assert trial.config == {**STUDY.published, "layers": [1, 2]}
    assert trial.coordinates == {"rate": 1e-2, "weight": 0.0, "width": 32, "fusion": "concat"}
    assert trial.seed == Seed(7, 0)


def test_later_trials_lie_inside_the_space_with_everything_else_as_published(
    ledger: Ledger,
) -> None:
    for trial in [ledger.propose() for _ in range(10)][1:]:
        assert STUDY.space.misfits(trial.config, place="") == ()
        assert trial.config["clip"] is None
        assert not trial.published


def test_no_trial_is_proposed_beyond_the_budget(tmp_path: Path) -> None:
    study = replace(STUDY, budget=replace(STUDY.budget, trials=2))
    with start(tmp_path, study) as ledger:
        assert [ledger.propose() is None for _ in range(3)] == [False, False, True]
        assert ledger.unfinished == 2


def test_a_closed_trial_is_no_longer_unfinished(ledger: Ledger) -> None:
    train(ledger, 0.5)
    assert ledger.unfinished == 49


def test_a_proposal_counts_the_proposals_epochs_and_endings_that_it_was_made_from(
    ledger: Ledger,
) -> None:
    assert ledger.propose().seen == 0
    number = begin(ledger)
    assert ledger.trial(number).seen == 1
    ledger.observe(number, epochs(1, 0.5, 0.4))
    assert ledger.propose().seen == 4
    ledger.close(number, Completed())
    assert ledger.propose().seen == 6


def test_only_trials_that_no_gang_holds_are_waiting(ledger: Ledger) -> None:
    first, second = begin(ledger), begin(ledger)
    assert ledger.waiting() == ()
    ledger.release(first)
    assert [trial.number for trial in ledger.waiting()] == [first]
    ledger.begin(first, Segment("other", 0, 200.0))
    ledger.close(second, Failed("oom", "too big"))
    assert ledger.waiting() == ()
    assert [segment.node for segment in ledger.trial(first).segments] == ["host", "other"]


def test_the_value_is_that_of_the_best_epoch_so_far(ledger: Ledger) -> None:
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.5, 0.3, 0.4))
    assert (ledger.trial(number).value, ledger.trial(number).value_epoch) == (0.3, 2)


def test_the_value_is_that_of_the_last_epoch_if_the_study_says_so(tmp_path: Path) -> None:
    study = replace(STUDY, objective=replace(STUDY.objective, epoch="last"))
    with start(tmp_path, study) as ledger:
        number = begin(ledger)
        ledger.observe(number, epochs(1, 0.5, 0.3, 0.4))
        trial = ledger.trial(number)
    assert (trial.value, trial.value_epoch) == (0.4, 3)
    assert trial.rungs == {2: 0.3}


def test_training_curves_are_left_to_the_curves(ledger: Ledger) -> None:
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.5))
    assert ledger.trial(number).observations == (Observation(1, {"valid/mae": 0.5}, 0.5),)


def test_epochs_that_a_resumed_segment_repeats_are_ignored(ledger: Ledger) -> None:
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.5, 0.4, 0.3))
    ledger.observe(number, epochs(2, 9.0, 9.0, 0.2))
    assert [o.metrics["valid/mae"] for o in ledger.trial(number).observations] == [
        0.5,
        0.4,
        0.3,
        0.2,
    ]


def test_the_checkpoint_is_the_one_told_last(ledger: Ledger) -> None:
    number = begin(ledger)
    later, earlier = Checkpoint("b", 2, 1), Checkpoint("a", 1, 2)
    ledger.observe(number, epochs(1, 0.5, 0.4), checkpoint=later)
    ledger.observe(number, epochs(1, 0.5), checkpoint=earlier)
    ledger.observe(number, epochs(3, 0.3))
    assert ledger.trial(number).checkpoint == earlier


def test_a_trial_that_halving_turns_down_at_a_rung_is_told_to_stop(ledger: Ledger) -> None:
    train(ledger, 0.5, 0.4)
    assert train(ledger, 0.5, 0.3) is Verdict.CONTINUE
    number = begin(ledger)
    assert ledger.observe(number, epochs(1, 0.9)) is Verdict.CONTINUE
    assert ledger.observe(number, epochs(2, 0.8)) is Verdict.STOP
    assert ledger.trial(number).rungs == {2: 0.8}


def test_a_trial_between_rungs_goes_on(ledger: Ledger) -> None:
    train(ledger, 0.5, 0.4)
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.1, 0.1))
    assert ledger.observe(number, epochs(3, 9.9)) is Verdict.CONTINUE


def test_the_published_configuration_is_never_stopped(ledger: Ledger) -> None:
    published = begin(ledger)
    train(ledger, 0.5, 0.1)
    assert ledger.observe(published, epochs(1, 0.9, 0.8)) is Verdict.CONTINUE


def test_a_lost_trial_waits_to_be_resumed_until_its_attempts_are_used_up(ledger: Ledger) -> None:
    number = begin(ledger)
    for attempt in range(1, ATTEMPTS):
        assert ledger.lost(number)
        assert ledger.trial(number).attempts == attempt
        assert ledger.waiting() == (ledger.trial(number),)
        ledger.begin(number, Segment("host", 0, 1.0))
    assert not ledger.lost(number)
    assert ledger.trial(number).state == Failed("lost", "3 gangs were lost while they trained it")
    assert ledger.trial(number).attempts == ATTEMPTS
    assert ledger.waiting() == ()


@pytest.mark.parametrize(
    ("losses", "ending"),
    [
        (
            ("hang", "hang", "hang"),
            Failed("hang", "it hung on each of 3 gangs; its log says where"),
        ),
        (
            ("oom", "oom", "oom"),
            Failed("oom", "3 gangs were killed for want of memory while they trained it"),
        ),
        (("hang", "lost", "hang"), Failed("lost", "3 gangs were lost while they trained it")),
        (("lost", "hang", "hang"), Failed("lost", "3 gangs were lost while they trained it")),
    ],
    ids=["hang", "oom", "lost between", "lost first"],
)
def test_a_trial_whose_attempts_all_ended_alike_fails_by_that(
    tmp_path: Path, losses: tuple[Loss, ...], ending: Failed
) -> None:
    with start(tmp_path) as ledger:
        number = begin(ledger)
        ledger.lost(number, losses[0])
    with resume(tmp_path) as ledger:
        for loss in losses[1:]:
            ledger.begin(number, Segment("host", 0, 1.0))
            ledger.lost(number, loss)
        assert ledger.trial(number).state == ending


@pytest.mark.parametrize(
    "change",
    [
        lambda ledger: ledger.observe(0, epochs(2, 0.1)),
        lambda ledger: ledger.close(0, Completed()),
        lambda ledger: ledger.lost(0),
        lambda ledger: ledger.begin(0, Segment("host", 0, 0.0)),
    ],
    ids=["observe", "close", "lost", "begin"],
)
def test_a_trial_with_an_ending_is_immutable(ledger: Ledger, change) -> None:
    train(ledger, 0.5)
    with pytest.raises(AssertionError, match="immutable"):
        change(ledger)


def test_a_gap_between_epochs_is_our_bug(ledger: Ledger) -> None:
    number = begin(ledger)
    with pytest.raises(AssertionError, match="gap between epochs"):
        ledger.observe(number, epochs(2, 0.5))


def test_a_stopped_trial_is_told_as_pruned(ledger: Ledger, tmp_path: Path) -> None:
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.9, 0.8))
    ledger.close(number, Stopped(2))
    told = in_optuna(tmp_path)[0]
    assert told.state is TrialState.PRUNED
    assert told.intermediate_values == {2: 0.8}


def test_a_completed_trial_is_told_with_its_value_and_its_rungs(
    ledger: Ledger, tmp_path: Path
) -> None:
    train(ledger, 0.9, 0.8, 0.7, 0.6, 0.65)
    told = in_optuna(tmp_path)[0]
    assert (told.state, told.value) == (TrialState.COMPLETE, 0.6)
    assert told.intermediate_values == {2: 0.8, 4: 0.6, 5: 0.6}


@pytest.mark.parametrize("reason", ["nan", "oom", "error"])
def test_a_failed_trial_is_told_as_failed_with_its_reason(
    ledger: Ledger, tmp_path: Path, reason: str
) -> None:
    number = begin(ledger)
    ledger.close(number, Failed(reason, "what happened"))
    told = in_optuna(tmp_path)[0]
    assert told.state is TrialState.FAIL
    assert told.user_attrs["reason"] == reason
    assert told.user_attrs["message"] == "what happened"


def test_a_running_trial_shows_its_parameters_and_rungs_in_optuna(
    ledger: Ledger, tmp_path: Path
) -> None:
    number = begin(ledger)
    ledger.observe(number, epochs(1, 0.9, 0.8, 0.7))
    told = in_optuna(tmp_path)[0]
    assert told.state is TrialState.RUNNING
    assert told.params == {"rate": 1e-2, "weight.zero": True, "width": 32, "fusion": "concat"}
    assert told.intermediate_values == {2: 0.8}


def test_the_study_in_optuna_carries_what_a_paper_must_say(ledger: Ledger, tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    study = optuna.load_study(study_name="toy", storage=storage)
    assert study.user_attrs == {
        "mmsearch_schema": 1,
        "metric": "valid/mae",
        "direction": "minimize",
        "text": STUDY.text,
        "hash": STUDY.hash,
        "provenance": PROVENANCE,
    }
    assert study.metric_names == ["valid/mae"]


def test_a_record_can_be_read_while_it_is_written(ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(3):
        ledger.observe(begin(ledger), epochs(1, 0.9, 0.8))
        assert read(journal(tmp_path)) == ledger.record()


def test_a_study_can_be_kept_in_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'study.db'}"
    from mmsearch.sampling import open_ledger

    with open_ledger(url, STUDY, provenance=PROVENANCE, resume=False) as ledger:
        train(ledger, 0.9, 0.8, 0.7)
        number = begin(ledger)
        ledger.observe(number, epochs(1, 0.5), checkpoint=Checkpoint("a", 1, 1))
        record = ledger.record()
    assert read(url) == record
    with open_ledger(url, STUDY, provenance=PROVENANCE, resume=True) as ledger:
        assert ledger.record() == record
        assert ledger.waiting() == (record.trials[1],)


def test_a_sitting_on_other_machines_is_added_to_the_provenance(tmp_path: Path) -> None:
    start(tmp_path).leave()
    with resume(tmp_path) as ledger:
        assert ledger.record().provenance == PROVENANCE
    other = {**PROVENANCE, "versions": {"torch": "3"}}
    with resume(tmp_path, provenance=other) as ledger:
        assert ledger.record().provenance == {**PROVENANCE, "resumed": [other]}
    with resume(tmp_path, provenance=other) as ledger:
        assert ledger.record().provenance == {**PROVENANCE, "resumed": [other]}
    assert read(journal(tmp_path)).provenance == {**PROVENANCE, "resumed": [other]}


def test_a_resumed_trial_is_still_running_and_waits(tmp_path: Path) -> None:
    with start(tmp_path) as ledger:
        number = begin(ledger)
    with resume(tmp_path) as ledger:
        assert [trial.number for trial in ledger.waiting()] == [number]
        assert ledger.trial(number).state == Running()
