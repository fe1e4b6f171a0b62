"""What a study on record may be asked for: how it goes on, or why it cannot and the way out."""

import shutil
from pathlib import Path

import pytest
from toy_ledger import PROVENANCE, begin

from mmsearch import sampling
from mmsearch.errors import ConflictError, StorageError, StudyError
from mmsearch.study import parse_override
from mmsearch.tune.asking import Asked, Request, answer

WIDER = "space.learning_rate_other={log_uniform=[1e-6,1e-1]}"


def asked(
    out: Path,
    *overrides: str,
    study: str = "selfmi",
    name: str | None = None,
    storage: str | None = None,
    resume: bool = True,
    widen: bool = False,
) -> Asked:
    """What `tune` makes of its options; `overrides` as `--set` takes them."""
    values = dict(map(parse_override, overrides))
    return answer(Request(study, values, out, name, storage, None, resume, widen, False))


def on_record(out: Path, *overrides: str, study: str = "selfmi") -> None:
    """A study with three trials on record."""
    overrides = ("budget.max_epochs=12", *overrides)
    first = asked(out, *overrides, study=study, resume=False)
    facts = {**PROVENANCE, "overrides": dict(map(parse_override, overrides))}
    storage = first.place.storage
    with sampling.open_ledger(storage, first.study, provenance=facts, resume=False) as ledger:
        for _ in range(3):
            begin(ledger)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a study of Self-MI with three trials."""
    folder = tmp_path_factory.mktemp("studies")
    on_record(folder)
    return folder


@pytest.mark.parametrize(
    ("overrides", "widen"),
    [
        ((), False),
        (("budget.trials=200",), False),
        (("budget.trials=3", "budget.gpu_hours=1.0", 'data="elsewhere"'), False),
        (("budget.max_epochs=24",), False),
        ((WIDER,), True),
        ((WIDER, "budget.max_epochs=24"), True),
    ],
    ids=["as it is", "more trials", "as many as there are", "more epochs", "wider", "both"],
)
def test_a_study_goes_on(out: Path, overrides: tuple[str, ...], widen: bool) -> None:
    found = asked(out, *overrides, widen=widen)
    assert found.record is not None
    assert found.study.budget.max_epochs in {12, 24}


@pytest.mark.parametrize(
    ("overrides", "widen", "words"),
    [
        (
            ("budget.trials=2",),
            False,
            r"budget.trials: 3 are on record, 2 asked for. Ask for at least 3, or start another",
        ),
        (
            ("budget.max_epochs=11",),
            True,
            r"budget.max_epochs: 12 on record, 11 asked for. Ask for what is on record",
        ),
        (
            (WIDER,),
            False,
            r"learning_rate_other.log_uniform: .* asked for. Add --widen to take all trials over",
        ),
        (
            (WIDER, "budget.max_epochs=24"),
            False,
            r"Add --widen",
        ),
        (
            (WIDER, "seed=3"),
            True,
            r"seed: 0 on record, 3 asked for; space.learning_rate_other.* Ask for what is on",
        ),
        (
            ('scheduler={kind="none"}', "budget.max_epochs=24"),
            True,
            r'scheduler.kind: "promotion" on record, "none" asked for',
        ),
    ],
    ids=["too few trials", "fewer epochs", "unasked", "epochs alone", "seed too", "scheduler"],
)
def test_a_study_does_not_go_on(
    out: Path, overrides: tuple[str, ...], widen: bool, words: str
) -> None:
    with pytest.raises(ConflictError, match=rf"study 'selfmi' at {out}/selfmi: .*{words}"):
        asked(out, *overrides, widen=widen)


def test_more_epochs_are_refused_where_training_plans_ahead(tmp_path: Path) -> None:
    on_record(tmp_path, study="m3col")
    words = (
        r"m3col plans its training by max_epochs from the first epoch on, so what was trained for "
        r"12 epochs is not the beginning of 24. Leave max_epochs at 12, or start another study"
    )
    with pytest.raises(ConflictError, match=words):
        asked(tmp_path, "budget.max_epochs=24", study="m3col")
    assert asked(tmp_path, "budget.trials=99", study="m3col").study.budget.trials == 99


def test_other_networks_that_read_raw_data_are_refused(tmp_path: Path) -> None:
    on_record(tmp_path, study="selfmi_mosi")
    narrower = "space.text_backbone.fine_tuned.learning_rate={log_uniform=[1e-6,1e-3]}"
    assert asked(tmp_path, narrower, study="selfmi_mosi", widen=True)
    words = "asks for other networks that read raw data .* Keep their models and what they read, or"
    other = 'space.text_backbone.frozen={model={choice=["a","b"]}}'
    with pytest.raises(ConflictError, match=words):
        asked(tmp_path, other, study="selfmi_mosi", widen=True)


def test_too_few_epochs_for_rungs_are_no_scheduler_of_ones_own(tmp_path: Path) -> None:
    on_record(tmp_path, "budget.max_epochs=6", 'scheduler={kind="none"}')
    again = asked(tmp_path, "budget.max_epochs=30", resume=False)
    assert again.study.scheduler.rungs(30) == (9, 27)


def test_the_published_configuration_must_lie_inside_another_space_as_ever(out: Path) -> None:
    with pytest.raises(StudyError, match=r"\[published\] learning_rate_other: .* lies outside"):
        asked(out, "space.learning_rate_other={log_uniform=[1e-6,1e-5]}", widen=True)


def test_a_study_that_is_not_on_record_is_not_widened(tmp_path: Path) -> None:
    words = "--widen: there is no study 'selfmi' on record that could go on in another space"
    with pytest.raises(ConflictError, match=words):
        asked(tmp_path, resume=False, widen=True)
    with pytest.raises(StorageError, match="no record here"):
        asked(tmp_path, widen=True)


def test_a_name_with_a_generation_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"without @, got 'selfmi@2'. Leave out any / and @"):
        asked(tmp_path, name="selfmi@2", resume=False)


def test_what_later_sittings_asked_for_need_not_be_said_again(tmp_path: Path) -> None:
    on_record(tmp_path, "seed=5")
    more = asked(tmp_path, "budget.trials=77", "budget.wall_hours=1.0")
    facts = {**PROVENANCE, "overrides": {"budget.trials": 77}}
    sampling.open_ledger(more.place.storage, more.study, provenance=facts, resume=True).leave()
    again = asked(tmp_path).study
    assert (again.seed, again.budget.trials, again.budget.wall_hours) == (5, 77, None)


def test_a_study_whose_file_has_gone_goes_on_from_its_record(tmp_path: Path) -> None:
    on_record(tmp_path)
    (tmp_path / "selfmi").rename(tmp_path / "mine")
    found = asked(tmp_path, "budget.trials=9", study="mine")
    assert (found.study.method, found.study.budget.trials) == ("selfmi", 9)


@pytest.mark.parametrize("resume", [True, False], ids=["--resume", "the same command"])
def test_a_copy_of_a_folder_under_another_name_holds_the_same_study(
    tmp_path: Path, resume: bool
) -> None:
    on_record(tmp_path)
    shutil.copytree(tmp_path / "selfmi", tmp_path / "copy")
    found = asked(tmp_path, "budget.max_epochs=12", name="copy", resume=resume)
    assert found.study.name == "selfmi"
    assert found.place.folder == tmp_path / "copy"
    ledger = sampling.open_ledger(
        found.place.storage, found.study, provenance=PROVENANCE, resume=True
    )
    with ledger:
        assert len(ledger.record().trials) == 3
