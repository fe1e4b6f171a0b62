"""The record on disk: what is refused and in which words, and what survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from toy_ledger import PROVENANCE, STUDY, begin, epochs, journal, resume, start, train
from toy_process import python

from mmsearch.errors import ConflictError, StorageError
from mmsearch.sampling import Ledger, find, open_ledger, read
from mmsearch.sampling import journal as journal_module
from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Segment, Stopped, Trial, Verdict

SMALL = replace(STUDY, budget=replace(STUDY.budget, trials=3, max_epochs=5))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The journal of a study with one completed and one running trial."""
    with start(tmp_path) as ledger:
        train(ledger, 0.5, 0.4)
        ledger.observe(begin(ledger), epochs(1, 0.5))
    return tmp_path / "study.journal"


# What is refused


def test_a_study_that_is_on_record_is_not_started_again(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConflictError, match=r"'toy' is already on record.*--resume.*--name"):
        start(tmp_path)


def test_a_record_that_is_absent_is_not_resumed_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"absent/study.journal: no record here.*--resume"):
        resume(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("scheme", ["journal://", "sqlite:///"])
def test_reading_a_record_that_is_absent_makes_nothing(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(StorageError, match="no record here"):
        read(f"{scheme}{tmp_path / 'study'}")
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_the_study_names_those_it_has(tmp_path: Path, file: Path) -> None:
    other = replace(STUDY, name="other")
    with pytest.raises(StorageError, match=r"'other' is not on record.*on record: toy"):
        resume(tmp_path, other)
    with pytest.raises(StorageError, match=r"does not hold the study 'other'.*on record: toy"):
        read(journal(tmp_path), "other")


def test_an_empty_record_has_no_study(tmp_path: Path) -> None:
    (tmp_path / "study.journal").touch()
    with pytest.raises(StorageError, match="does not hold a study"):
        read(journal(tmp_path))
    with pytest.raises(StorageError, match="'toy' is not on record"):
        resume(tmp_path)


def test_of_several_studies_one_must_be_named(tmp_path: Path, file: Path) -> None:
    start(tmp_path, replace(STUDY, name="other")).leave()
    with pytest.raises(StorageError, match="several studies: other, toy"):
        read(journal(tmp_path))
    assert read(journal(tmp_path), "other").trials == ()


def test_a_record_of_another_schema_version_is_refused(tmp_path: Path, file: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(file)))
    optuna.load_study(study_name="toy", storage=storage).set_user_attr("mmsearch_schema", 2)
    with pytest.raises(StorageError, match="has schema version 2, and this mmsearch reads 1"):
        read(journal(tmp_path))


def test_a_study_of_optuna_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    optuna.create_study(study_name="toy", storage=storage).ask()
    with pytest.raises(StorageError, match="'toy' was not written by mmsearch"):
        start(tmp_path)


def test_a_trial_that_is_not_ours_is_refused(tmp_path: Path, file: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(file)))
    optuna.load_study(study_name="toy", storage=storage).enqueue_trial({})
    with pytest.raises(StorageError, match="has a trial 2 that was not written by mmsearch"):
        read(journal(tmp_path))


@pytest.mark.parametrize("opened", [read, None], ids=["read", "resumed"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [("{nonsense\n", "line 4 is damaged"), ('{"op_code":3}\n', "cannot be replayed")],
    ids=["no JSON", "no journal entry"],
)
def test_a_record_damaged_in_the_middle_is_refused(
    tmp_path: Path, file: Path, opened: Callable[[str], Record] | None, damage: str, words: str
) -> None:
    lines = file.read_text().splitlines(keepends=True)
    lines[3] = damage
    file.write_text("".join(lines))
    with pytest.raises(StorageError, match=rf"study.journal: .*{words}"):
        opened(journal(tmp_path)) if opened else resume(tmp_path)


def test_a_file_that_is_no_journal_is_never_cut(tmp_path: Path) -> None:
    (tmp_path / "study.journal").write_text("Dear diary")
    with pytest.raises(StorageError, match="no Optuna journal"):
        resume(tmp_path)
    assert (tmp_path / "study.journal").read_text() == "Dear diary"


def test_a_folder_in_place_of_the_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.journal").mkdir()
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        read(journal(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_record_without_permission_is_refused(tmp_path: Path, file: Path) -> None:
    file.chmod(0)
    with pytest.raises(StorageError, match=r"Permission denied\. Ask its owner"):
        read(journal(tmp_path))


@pytest.mark.parametrize("url", ["study.journal", "journal://", ""], ids=["path", "bare", "empty"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(
        StorageError, match=r"not the URL of a storage, got .*Write journal:///path"
    ):
        read(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("Dear diary" * 100)
    with pytest.raises(StorageError, match=r"cannot be read: .*not a database"):
        read(f"sqlite:///{tmp_path / 'study.db'}")


def test_a_message_never_shows_a_password() -> None:
    with pytest.raises(StorageError, match=r"^nosuch://host/studies") as caught:
        read("nosuch://me:secret@host/studies")
    assert "secret" not in str(caught.value)


def test_a_second_driver_is_refused_and_told_who_drives(tmp_path: Path) -> None:
    words = rf"another driver.*process {os.getpid()}, since 20.*a file has one at a time"
    with start(tmp_path), pytest.raises(StorageError, match=words):
        resume(tmp_path)
    resume(tmp_path).leave()


def test_a_refused_opening_keeps_nobody_out(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConflictError, match="already on record"):
        start(tmp_path)
    resume(tmp_path).leave()


def test_other_data_than_on_record_is_a_conflict(tmp_path: Path, file: Path) -> None:
    with pytest.raises(
        ConflictError, match=r"data is not what .* started on \(SHA-256 d0\), got d1"
    ):
        resume(tmp_path, provenance={**PROVENANCE, "fingerprints": {"data": "d1"}})


@pytest.mark.parametrize("scheme", ["journal://", "sqlite:///"])
def test_a_study_is_found_once_it_is_on_record_and_looking_makes_nothing(
    tmp_path: Path, scheme: str
) -> None:
    url = f"{scheme}{tmp_path / 'study'}"
    assert find(url, "toy") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "study").touch()
    assert find(url, "toy") is None
    with open_ledger(url, STUDY, provenance=PROVENANCE, resume=False) as ledger:
        assert find(url, "other") is None
        assert find(url, "toy") == ledger.record()


# What survives


@pytest.mark.parametrize("tail", [b'{"op_code":8,"tri', b"nonsense\n", b"\0\0\0\0"], ids=repr)
def test_a_torn_last_line_is_passed_over_by_readers_and_cut_by_the_next_driver(
    tmp_path: Path, file: Path, tail: bytes
) -> None:
    record, content = read(journal(tmp_path)), file.read_bytes()
    file.write_bytes(content + tail)
    assert read(journal(tmp_path)) == record
    assert file.read_bytes() == content + tail
    with resume(tmp_path) as ledger:
        assert ledger.record() == record
        assert file.read_bytes() == content
        ledger.propose()
    assert len(read(journal(tmp_path)).trials) == 3


def test_the_lock_of_a_dead_writer_does_not_hold_up_the_next_driver(
    tmp_path: Path, file: Path
) -> None:
    (tmp_path / "study.journal.lock").symlink_to(file)
    started = time.monotonic()
    with resume(tmp_path) as ledger:
        ledger.propose()
    assert time.monotonic() - started < 10


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours may catch it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, write: int, *, written: float) -> None:
    """Dies in this write, when this part of it has reached the disk; leaves Optuna's lock."""
    count = 0

    def append(backend: JournalFileBackend, logs: list[dict[str, object]]) -> None:
        nonlocal count
        count += 1
        path = Path(backend._file_path)
        line = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with path.open("ab") as file:
            file.write(line if count < write else line[: int(written * len(line))])
        if count == write:
            path.with_name(f"{path.name}.lock").symlink_to(path)
            raise Killed

    monkeypatch.setattr(JournalFileBackend, "append_logs", append)


def value(trial: Trial, epoch: int) -> float:
    """Worsens with the trial's number, so that halving stops some."""
    return 0.1 * trial.number + 1.0 / epoch


def drive(ledger: Ledger) -> None:
    """Trains every trial of the budget, two epochs at a time, as a driver with one gang does."""
    while True:
        waiting = ledger.waiting()
        trial = waiting[0] if waiting else ledger.propose()
        if trial is None:
            return
        ledger.begin(trial.number, Segment("host", 0, 0.0))
        for epoch in (1, 3, 5):
            values = [value(trial, e) for e in range(epoch, min(epoch + 2, 6))]
            if ledger.observe(trial.number, epochs(epoch, *values)) is Verdict.STOP:
                ledger.close(trial.number, Stopped(max(ledger.trial(trial.number).rungs)))
                break
        else:
            ledger.close(trial.number, Completed())


def outcome(record: Record) -> list[Trial]:
    """What must not depend on kills: everything but segments, times and the count of events."""
    return [
        replace(trial, segments=(), started_at=None, ended_at=None, seen=0)
        for trial in record.trials
    ]


def driven(folder: Path, study: Study) -> Record:
    """Starts the study, or goes on with it, as a user would after a kill."""
    folder.mkdir(exist_ok=True)
    try:
        ledger = start(folder, study)
    except ConflictError:
        ledger = resume(folder, study)
    with ledger:
        drive(ledger)
    return read(journal(folder))


@pytest.mark.parametrize("written", [0.0, 0.5, 1.0], ids=["before", "torn", "after"])
def test_a_kill_at_any_write_loses_no_trial_and_doubles_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: float
) -> None:
    whole = driven(tmp_path / "whole", SMALL)
    assert {type(trial.state) for trial in whole.trials} == {Completed, Stopped}
    writes = len((tmp_path / "whole" / "study.journal").read_text().splitlines())
    monkeypatch.setattr(journal_module, "PATIENCE_S", 0.0)
    for write in range(1, writes + 1):
        folder = tmp_path / f"killed-{write}"
        with monkeypatch.context() as patch:
            kill_at(patch, write, written=written)
            with pytest.raises(Killed):
                driven(folder, SMALL)
        mended = driven(folder, SMALL)
        assert outcome(mended) == outcome(whole), f"killed at write {write}"
        assert in_optuna(folder) == in_optuna(tmp_path / "whole"), f"killed at write {write}"


def in_optuna(folder: Path) -> list[tuple[object, ...]]:
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    trials = optuna.load_study(study_name="toy", storage=storage).trials
    return [(t.state, t.values, t.intermediate_values, t.user_attrs.get("rung")) for t in trials]


def test_a_full_disk_is_told_and_changes_nothing_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(backend: JournalFileBackend, logs: list[dict[str, object]]) -> None:
        raise OSError(28, "No space left on device")

    with start(tmp_path) as ledger:
        number = begin(ledger)
        before = ledger.record()
        monkeypatch.setattr(JournalFileBackend, "append_logs", append)
        with pytest.raises(StorageError, match="cannot be written: No space left on device"):
            ledger.observe(number, epochs(1, 0.5))
        assert ledger.record() == before


def test_a_driver_that_is_killed_is_read_while_it_writes_and_resumed_after(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from toy_ledger import *\n"
        "from test_ledger_storage import drive\n"
        "study = replace(STUDY, budget=Budget(trials=100000, max_epochs=5))\n"
        "with start(Path(sys.argv[1]), study) as ledger:\n"
        "    print('open', flush=True)\n"
        "    drive(ledger)\n"
    )
    with python(code, str(tmp_path)) as driver:
        try:
            assert driver.stdout.readline() == b"open\n"
            sizes = [0]
            while sizes[-1] < 20 and driver.poll() is None:
                sizes.append(len(read(journal(tmp_path)).trials))
        finally:
            driver.kill()
    assert driver.returncode == -signal.SIGKILL
    assert sizes == sorted(sizes)
    with resume(tmp_path) as ledger:
        assert len(ledger.record().trials) >= sizes[-1]
        assert len(ledger.waiting()) <= 1
        assert ledger.propose() is not None


def test_another_driver_in_another_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from toy_ledger import *\n"
        "from mmsearch.errors import StorageError\n"
        "try: resume(Path(sys.argv[1]))\n"
        "except StorageError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with start(tmp_path):
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "another driver is at work on this record" in done.stdout


def test_a_database_file_has_one_driver_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    with (
        open_ledger(url, STUDY, provenance=PROVENANCE, resume=False),
        pytest.raises(StorageError, match="another driver"),
    ):
        open_ledger(url, STUDY, provenance=PROVENANCE, resume=True)
