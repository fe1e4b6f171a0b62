"""A study that goes on with more trials, in another space, or with more epochs."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from toy_generations import (
    NARROWER,
    WIDER,
    drive,
    opened,
    state_of,
    study,
    timeless,
    uri,
)
from toy_ledger import PROVENANCE, begin, epochs, journal

from mmsearch.sampling import open_ledger, proposals, read
from mmsearch.space import Choice, Space
from mmsearch.study import Sampler, Scheduler
from mmsearch.trial import Checkpoint, Completed, Failed, Record, Stopped


@pytest.fixture(autouse=True)
def soon_modelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few trials are enough for TPE."""
    monkeypatch.setattr(proposals, "ENOUGH", 3)


def searched(folder: Path, *sittings) -> Record:
    """Starts the first of these studies, and goes on with each of the others in turn."""
    folder.mkdir(exist_ok=True)
    for index, asked in enumerate(sittings):
        with opened(folder, asked, resume=index > 0) as ledger:
            drive(ledger)
    return read(journal(folder))


def in_optuna(folder: Path, name: str) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name=name, storage=storage)


# More trials


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_study_extended_by_trials_decides_as_if_it_had_been_asked_for_them_at_once(
    tmp_path: Path, kind: str
) -> None:
    small, large = (study(trials=n, sampler=Sampler(kind)) for n in (7, 15))
    at_once = searched(tmp_path / "at once", large)
    extended = searched(tmp_path / "extended", small, large)
    assert timeless(extended) == timeless(at_once)
    assert extended.generation == 1


def test_the_newest_budget_counts_and_who_asked_for_it_when_is_on_record(tmp_path: Path) -> None:
    large = study(trials=9)
    record = searched(tmp_path, study(trials=4), large)
    assert record.study_text == large.text
    (sitting,) = record.provenance["resumed"]
    assert sitting == {
        **PROVENANCE,
        "changes": ["budget.trials: 4 on record, 9 asked for"],
    }
    again = searched(tmp_path / "again", study(trials=4), large, large, study(trials=12))
    changes = [sitting["changes"][0] for sitting in again.provenance["resumed"]]
    assert [line[:18] for line in changes] == ["budget.trials: 4 o", "budget.trials: 9 o"]


def test_what_was_asked_for_is_remembered_by_sitting(tmp_path: Path) -> None:
    asked = [{**PROVENANCE, "overrides": over} for over in ({"seed": 7}, {"data": "here"}, {})]
    for index, facts in enumerate(asked):
        opened(tmp_path, study(), resume=index > 0, facts=facts).leave()
    record = read(journal(tmp_path))
    assert record.provenance == {**asked[0], "resumed": [asked[1]]}


def test_with_fewer_trials_than_before_a_study_finishes_those_it_has(tmp_path: Path) -> None:
    with opened(tmp_path, study(trials=9), resume=False) as ledger:
        begin(ledger)
        begin(ledger)
    with opened(tmp_path, study(trials=2)) as ledger:
        assert (ledger.unfinished, ledger.propose()) == (2, None)
        drive(ledger)
        assert state_of(ledger.record().trials) == ["completed", "stopped 2"]


# Another space


def test_a_wider_space_makes_a_generation_that_keeps_the_trials(tmp_path: Path) -> None:
    before = searched(tmp_path, study())
    with opened(tmp_path, study(trials=30, space=WIDER)) as ledger:
        kept = ledger.record()
        drive(ledger)
    assert kept.trials == before.trials
    after = read(journal(tmp_path))
    assert (after.name, after.generation) == ("toy", 2)
    assert after.trials[: len(before.trials)] == before.trials
    added = [trial.coordinates for trial in after.trials[len(before.trials) :]]
    assert any(one["width"] == 128 for one in added)
    assert any(one["fusion"] == "gated" for one in added)
    assert after.study_text == study(trials=30, space=WIDER).text
    assert after.provenance["resumed"][-1]["changes"][0].startswith("budget.trials: 6 on record")


def test_the_generation_before_stays_readable_and_says_what_became_of_it(tmp_path: Path) -> None:
    before = searched(tmp_path, study())
    searched_on = study(trials=8, space=WIDER)
    opened(tmp_path, searched_on).leave()
    assert read(journal(tmp_path), "toy@1") == before
    assert read(journal(tmp_path), "toy@2") == read(journal(tmp_path), "toy")
    assert in_optuna(tmp_path, "toy").user_attrs["continued_by"] == "toy@2"
    new = in_optuna(tmp_path, "toy@2")
    assert new.user_attrs["continues"] == "toy"
    old = in_optuna(tmp_path, "toy")
    assert [(t.state, t.values, t.intermediate_values) for t in new.trials] == [
        (t.state, t.values, t.intermediate_values) for t in old.trials
    ]
    assert [t.params for t in new.trials] == [t.params for t in old.trials]


def test_a_generation_that_goes_on_as_it_is_stays_the_newest(tmp_path: Path) -> None:
    wider = study(trials=8, space=WIDER)
    assert searched(tmp_path, study(), wider, wider).generation == 2
    assert searched(tmp_path / "x", study(), wider, study(trials=9, space=WIDER)).generation == 2
    assert searched(tmp_path / "y", study(), wider, study(trials=9)).generation == 3


def test_trials_outside_a_narrower_space_stay_on_record_and_are_not_modelled(
    tmp_path: Path,
) -> None:
    before = searched(tmp_path, study(trials=20))
    narrow = study(trials=24, space=NARROWER, sampler=Sampler("tpe"))
    with opened(tmp_path, narrow) as ledger:
        trials = ledger.record().trials
        outside = {t.number for t in trials if not proposals.belongs(narrow, t.config)}
        assert ledger._outside == outside
        added = [ledger.propose() for _ in range(4)]
    assert 0 not in outside
    assert 0 < len(outside) < 20
    for old, new in zip(before.trials, trials, strict=True):
        same = old.coordinates if old.number in outside else narrow.coordinates(old.config)
        assert new == replace(old, coordinates=same)
    shown = in_optuna(tmp_path, "toy@2").trials
    assert {t.number for t in shown if not t.params} == outside
    others = [trial for trial in trials if trial.number not in outside]
    told = proposals._throwaway(narrow, others, 0).trials
    assert 0 < len(told) <= len(others)
    assert all(narrow.space.misfits(trial.config, place="") == () for trial in added)


def test_a_parameter_that_is_searched_no_more_is_as_published_in_what_is_modelled() -> None:
    narrow = study(space=NARROWER)
    as_published = {**narrow.published, "rate": 5e-3, "layers": [1, 2]}
    assert proposals.belongs(narrow, as_published)
    assert not proposals.belongs(narrow, {**as_published, "weight": 0.5})
    low_rank = {"kind": "low_rank", "rank": 3}
    assert not proposals.belongs(narrow, {**as_published, "fusion": low_rank})


def test_a_parameter_that_is_new_has_its_published_value_in_old_trials(tmp_path: Path) -> None:
    bare = Space({"rate": WIDER.parameters["rate"]})
    more = Space({**bare.parameters, "width": Choice((32, 64))})
    record = searched(tmp_path, study(space=bare), study(trials=6, space=more))
    assert [trial.coordinates["width"] for trial in record.trials] == [32] * 6


def test_parameters_in_another_order_are_another_space(tmp_path: Path) -> None:
    turned = Space(dict(reversed(study().space.parameters.items())))
    assert searched(tmp_path, study(), study(space=turned)).generation == 2


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_proposals_of_a_generation_follow_from_its_record_and_seed(
    tmp_path: Path, kind: str
) -> None:
    first, second = study(trials=8), study(trials=14, space=WIDER, sampler=Sampler(kind))
    whole = searched(tmp_path / "whole", first, second)
    folder = tmp_path / "in parts"
    searched(folder, first)
    for trials in range(9, 15):
        searched_on = replace(second, budget=replace(second.budget, trials=trials))
        with opened(folder, searched_on) as ledger:
            drive(ledger)
    assert timeless(read(journal(folder))) == timeless(whole)


# More epochs


def test_with_more_epochs_only_what_can_be_trained_on_is_live_again(tmp_path: Path) -> None:
    patient = {**study().published, "patience": 2}
    fates = (
        ((0.9, 0.8, 0.7, 0.6, 0.5), Completed(), "running"),  # the published configuration
        ((0.9, 0.8, 0.7, 0.6, 0.4), Completed(), "running"),  # its checkpoint is there
        ((0.9, 0.8, 0.7, 0.6, 0.3), Completed(), "stopped 4"),
        ((0.9, 0.2, 0.3, 0.3), Completed(), "completed"),  # by its patience
        ((0.9, 0.8, 0.2, 0.3, 0.3), Completed(), "completed"),  # by its patience, at the end
        ((0.99, 0.98), Stopped(2), "stopped 2"),
        ((0.99,), Failed("nan", "loss is nan"), "failed"),
        ((0.7, 0.6, 0.5), None, "running"),
    )
    with opened(tmp_path, study(trials=9, published=patient), resume=False) as ledger:
        for values, ending, _ in fates:
            number = begin(ledger)
            saved = Checkpoint(uri(number), len(values), 1)
            ledger.observe(number, epochs(1, *values), checkpoint=saved, ending=ending)
            if ending:
                ledger.close(number, ending)
        before = ledger.record().trials
    longer = study(trials=9, max_epochs=20, published=patient)
    with opened(tmp_path, longer, held=(uri(1),)) as ledger:
        after = ledger.record().trials
        assert [t.number for t in ledger.waiting()] == [0, 1, 7]
    assert state_of(after) == [state for _, _, state in fates]
    for old, new in zip(before, after, strict=True):
        assert new == replace(old, state=new.state, ended_at=new.ended_at, rungs=new.rungs)


def test_more_epochs_keep_the_incumbent_at_full_fidelity(tmp_path: Path) -> None:
    first, more = study(trials=8), study(trials=10, max_epochs=20)
    before = searched(tmp_path, first)
    best = before.incumbent.number
    with opened(tmp_path, more, held=(uri(best),)) as ledger:
        after = ledger.record()
        assert after.incumbent is None
        assert [t.number for t in ledger.waiting()] == sorted({0, best})
        assert ledger.trial(best).checkpoint == Checkpoint(uri(best), 5, 1)
        drive(ledger)
        after = ledger.record()
    assert {trial.epoch for trial in after.ranking} == {20}
    assert after.trials[0].observations[:5] == before.trials[0].observations


def test_values_at_new_rungs_are_read_off_the_observations(tmp_path: Path) -> None:
    before = searched(tmp_path, study(trials=4, max_epochs=4))
    assert {rung for trial in before.trials for rung in trial.rungs} == {2}
    with opened(tmp_path, study(trials=4, max_epochs=20)) as ledger:
        after = ledger.record().trials
    for old, new in zip(before.trials, after, strict=True):
        expected = dict(old.rungs) | ({4: old.value} if old.epoch == 4 else {})
        assert new.rungs == expected
    assert "stopped 4" in state_of(after)


def test_a_study_with_too_few_epochs_for_rungs_gets_them_with_more(tmp_path: Path) -> None:
    none = study(trials=4, max_epochs=2, scheduler=Scheduler(kind="none"))
    searched(tmp_path, none)
    with opened(tmp_path, study(trials=4, max_epochs=9), held=(uri(1),)) as ledger:
        assert state_of(ledger.record().trials) == ["running", "running", "stopped 2", "stopped 2"]


def test_without_rungs_a_completed_trial_is_trained_again_from_its_start(tmp_path: Path) -> None:
    none = Scheduler(kind="none")
    before = searched(tmp_path, study(trials=3, scheduler=none))
    with opened(tmp_path, study(trials=3, max_epochs=9, scheduler=none)) as ledger:
        assert state_of(ledger.record().trials) == ["running"] * 3
        assert [t.observations for t in ledger.waiting()] == [t.observations for t in before.trials]


# In a database


def test_a_study_in_a_database_is_widened_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    with open_ledger(url, study(), provenance=PROVENANCE, resume=False) as ledger:
        drive(ledger)
        before = ledger.record()
    wider = study(trials=9, space=WIDER)
    with open_ledger(url, wider, provenance=PROVENANCE, resume=True) as ledger:
        assert ledger.record().trials == before.trials
        drive(ledger)
    after = read(url)
    assert (after.generation, len(after.trials)) == (2, 9)
    assert read(url, "toy@1") == before
