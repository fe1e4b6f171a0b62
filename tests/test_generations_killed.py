"""A generation in the making: killed at any write, and read by others at any moment."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from test_ledger_storage import Killed, kill_at
from toy_generations import NARROWER, WIDER, drive, opened, study, uri
from toy_ledger import journal
from toy_process import python

from mmsearch.sampling import journal as journal_module
from mmsearch.sampling import read
from mmsearch.study import Study
from mmsearch.trial import Record

FIRST = study(trials=4)
NEXT = {
    "more trials": study(trials=6),
    "wider": study(trials=6, space=WIDER),
    "narrower": study(trials=6, space=NARROWER),
    "more epochs": study(trials=6, max_epochs=9),
}
HELD = (uri(0), uri(2))


def begun(folder: Path) -> Record:
    """A finished study of four trials."""
    folder.mkdir()
    with opened(folder, FIRST, resume=False) as ledger:
        drive(ledger)
    return read(journal(folder))


def gone_on(folder: Path, asked: Study, *, driven: bool) -> Record:
    """The command that goes on with another study."""
    with opened(folder, asked, held=HELD) as ledger:
        if driven:
            drive(ledger)
    return read(journal(folder))


def timeless(record: Record) -> str:
    """What must not depend on kills, in Optuna's own order of keys."""
    trials = [{**vars(t), "segments": (), "started_at": 0, "ended_at": 0} for t in record.trials]
    provenance = {**record.provenance}
    return json.dumps([record.study_text, record.generation, provenance, trials], default=str)


def studies_in(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything of Optuna's that a person sees, by study."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return {
        one.study_name: (
            storage.get_study_user_attrs(one._study_id),
            [
                (t.state, t.values, t.intermediate_values, t.params)
                for t in storage.get_all_trials(one._study_id)
            ],
        )
        for one in storage.get_all_studies()
    }


@pytest.mark.parametrize("written", [0.0, 0.5, 1.0], ids=["before", "torn", "after"])
@pytest.mark.parametrize("asked", NEXT.values(), ids=NEXT)
def test_a_kill_at_any_write_of_a_new_generation_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: float, asked: Study
) -> None:
    before = begun(tmp_path / "whole")
    start = len((tmp_path / "whole" / "study.journal").read_text().splitlines())
    made = gone_on(tmp_path / "whole", asked, driven=False)
    writes = len((tmp_path / "whole" / "study.journal").read_text().splitlines()) - start
    whole = gone_on(tmp_path / "whole", asked, driven=True)
    monkeypatch.setattr(journal_module, "PATIENCE_S", 0.0)
    for write in range(1, writes + 1):
        folder = tmp_path / f"killed-{write}"
        assert timeless(begun(folder)) == timeless(before)
        with monkeypatch.context() as patch:
            kill_at(patch, write, written=written)
            with pytest.raises(Killed):
                gone_on(folder, asked, driven=False)
        left = read(journal(folder))
        assert left.generation in {before.generation, made.generation}
        assert len(left.trials) == len(before.trials)
        assert read(journal(folder), "toy@1").trials == left.trials or left.generation == 2
        mended = gone_on(folder, asked, driven=True)
        assert timeless(mended) == timeless(whole), f"killed at write {write}"
        assert studies_in(folder) == studies_in(tmp_path / "whole"), f"killed at write {write}"


def test_half_a_generation_is_nothing_to_who_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path / "study")
    monkeypatch.setattr(journal_module, "PATIENCE_S", 0.0)
    with monkeypatch.context() as patch:
        kill_at(patch, 4, written=1.0)
        with pytest.raises(Killed):
            gone_on(tmp_path / "study", NEXT["wider"], driven=False)
    assert set(studies_in(tmp_path / "study")) == {"toy", "toy@2"}
    record = gone_on(tmp_path / "study", NEXT["more trials"], driven=True)
    assert (record.generation, len(record.trials)) == (1, 6)
    assert set(studies_in(tmp_path / "study")) == {"toy"}


@pytest.mark.parametrize(
    "url_of",
    [journal, lambda folder: f"sqlite:///{folder / 'study.db'}"],
    ids=["journal", "SQLite"],
)
def test_a_study_is_read_while_its_generations_are_made(
    tmp_path: Path, url_of: Callable[[Path], str]
) -> None:
    code = (
        "import sys; from toy_generations import *\n"
        "ranges = [1e-2, 2e-2, 5e-2, 1e-1]\n"
        "for number, high in enumerate(ranges):\n"
        "    space = Space({**WIDER.parameters, 'rate': LogUniform(1e-4, high)})\n"
        "    asked = study(trials=6 + 2 * number, space=space)\n"
        "    with open_ledger(sys.argv[1], asked, provenance={}, resume=number > 0) as ledger:\n"
        "        print(number, flush=True)\n"
        "        drive(ledger)\n"
    )
    seen: list[tuple[int, int]] = []
    with python(code, url_of(tmp_path)) as driver:
        try:
            assert driver.stdout.readline() == b"0\n"
            while driver.poll() is None:
                record = read(url_of(tmp_path))
                seen.append((record.generation, len(record.trials)))
        finally:
            driver.kill()
    assert driver.returncode == 0
    assert seen == sorted(seen)
    record = read(url_of(tmp_path))
    assert (record.generation, len(record.trials)) == (4, 12)
    assert len({generation for generation, _ in seen}) > 1
