"""What harms a record in a file: full, read-only, damaged, gone. Each is told; nothing is lost."""

import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from toy_disks import Disk, small_disk
from toy_ledger import PROVENANCE, STUDY, begin, epochs, train

from mmsearch.errors import StorageError
from mmsearch.sampling import Ledger, open_ledger, read
from mmsearch.sampling import storage as storage_module
from mmsearch.sampling.urls import file_of

KINDS = {"journal": "journal://{}/study.journal", "sqlite": "sqlite:///{}/study.db"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def url_of(kind: str, folder: Path) -> str:
    return KINDS[kind].format(folder)


def start(url: str) -> Ledger:
    return open_ledger(url, STUDY, provenance=PROVENANCE, resume=False)


def resume(url: str) -> Ledger:
    return open_ledger(url, STUDY, provenance=PROVENANCE, resume=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def made(url: str) -> Path:
    """The file of a study with a completed, a stopped-like and a running trial."""
    with start(url) as ledger:
        train(ledger, 0.5, 0.4)
        train(ledger, 0.7, 0.6, 0.5, 0.4)
        ledger.observe(begin(ledger), epochs(1, 0.55))
    path = file_of(url)
    assert path is not None
    return path


def go_on(ledger: Ledger) -> None:
    """Writes until the record takes no more; what memory says then is what was written."""
    while True:
        before = ledger.record()
        try:
            train(ledger, 0.5, 0.4, 0.3)
        except StorageError:
            assert ledger.record().trials[: len(before.trials)] == before.trials
            raise


# Full and read-only


def test_a_record_on_a_full_disk_keeps_what_was_written_and_goes_on_when_there_is_room(
    kind: str, disk: Disk
) -> None:
    url = url_of(kind, disk.path)
    with start(url) as ledger:
        train(ledger, 0.5, 0.4)
        disk.fill(leave=20000)
        with pytest.raises(StorageError, match=r"cannot be written: .*(space|disk is) .*Make room"):
            go_on(ledger)
        told = ledger.record()
    assert read(url) == told
    disk.free()
    with resume(url) as ledger:
        assert ledger.record() == told
        train(ledger, 0.5)


def test_after_a_write_that_failed_a_sitting_writes_nothing_more(kind: str, disk: Disk) -> None:
    url = url_of(kind, disk.path)
    with start(url) as ledger:
        number = begin(ledger)
        disk.fill()
        with pytest.raises(StorageError, match="cannot be written"):
            go_on(ledger)
        disk.free()
        told = ledger.record()
        with pytest.raises(StorageError, match="cannot be written"):
            ledger.observe(number, epochs(1, 0.5))
    assert read(url) == told


def test_a_record_that_becomes_read_only_is_told_and_still_read(kind: str, disk: Disk) -> None:
    url = url_of(kind, disk.path)
    with start(url) as ledger:
        number = begin(ledger)
        told = ledger.record()
        words = {"journal": "Read-only file system. Make it writable", "sqlite": "unable to open"}
        with disk.read_only(), pytest.raises(StorageError, match=words[kind]):
            ledger.observe(number, epochs(1, 0.5))
    with disk.read_only():
        assert read(url) == told
        with pytest.raises(StorageError, match=r"cannot be opened: Read-only.*Make it writable"):
            resume(url)
    with resume(url) as ledger:
        assert ledger.record() == told


# Locked by somebody else


def test_a_database_that_another_program_writes_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "PATIENCE_S", 0.2)
    url = url_of("sqlite", tmp_path)
    with start(url) as ledger, closing(sqlite3.connect(tmp_path / "study.db")) as other:
        number = begin(ledger)
        told = ledger.record()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"database is locked\. End the program"):
            ledger.observe(number, epochs(1, 0.5))
        assert ledger.record() == told
        assert read(url) == told
        other.execute("ROLLBACK")
    with resume(url) as ledger:
        ledger.begin(number, ledger.trial(number).segments[0])
        ledger.observe(number, epochs(1, 0.5))


def test_a_database_that_is_written_to_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    url = url_of("sqlite", tmp_path)
    holder = (
        "import sqlite3, sys, time\n"
        "other = sqlite3.connect(sys.argv[1])\n"
        "other.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "time.sleep(1.0)\n"
    )
    with start(url) as ledger:
        number = begin(ledger)
        command = [sys.executable, "-c", holder, str(tmp_path / "study.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            ledger.observe(number, epochs(1, 0.5))
    assert read(url).trials[0].epoch == 1


def test_the_journal_lock_of_a_live_writer_is_not_taken_from_it(tmp_path: Path) -> None:
    path = made(url_of("journal", tmp_path))
    writer = (
        "import sys, time\n"
        "from optuna.storages.journal import JournalFileSymlinkLock\n"
        "lock = JournalFileSymlinkLock(sys.argv[1])\n"
        "print('writing', flush=True)\n"
        "for _ in range(int(sys.argv[2])):\n"
        "    lock.acquire(); time.sleep(0.3); lock.release()\n"
        "print('was never robbed', flush=True)\n"
    )
    command = [sys.executable, "-c", writer, str(path), "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with resume(url_of("journal", tmp_path)) as ledger:
            train(ledger, 0.5)
        said, _ = other.communicate(timeout=60)
    assert said == "was never robbed\n"


# Damaged


@pytest.mark.filterwarnings("ignore:The distribution is specified by")
@pytest.mark.parametrize(("kind", "flips"), [("journal", 400), ("sqlite", 80)], indirect=["kind"])
def test_a_flipped_bit_is_an_error_or_changes_nothing(
    kind: str, flips: int, tmp_path: Path
) -> None:
    url = url_of(kind, tmp_path)
    path = made(url)
    content, record = path.read_bytes(), read(url)
    # A last line that is broken counts as torn, and nothing seals a study's name.
    end = len(content) if kind == "sqlite" else content.rstrip().rfind(b"\n")
    chosen = random.Random(7)
    for _ in range(flips):
        place, flipped = chosen.randrange(end), bytearray(content)
        flipped[place] ^= 1 << chosen.randrange(7)
        path.write_bytes(flipped)
        try:
            found = read(url)
        except StorageError:
            continue
        assert replace(found, name="toy") == record, (
            f"byte {place}: {content[place - 40 : place]!r}"
        )


def test_a_proposal_of_a_study_that_was_never_made_is_damage(tmp_path: Path) -> None:
    url = url_of("journal", tmp_path)
    path = made(url)
    with resume(url) as ledger:
        begin(ledger)
    before, last = path.read_bytes().rsplit(b'"study_id":0', 1)
    path.write_bytes(before + b'"study_id":2' + last)
    with pytest.raises(StorageError, match=r"no study 2.*Restore the file from a copy"):
        read(url)


def test_a_database_that_is_cut_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = made(url_of("sqlite", tmp_path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for opened in (read, resume):
        with pytest.raises(StorageError, match=r"malformed|damaged.*Restore it from a copy"):
            opened(url_of("sqlite", tmp_path))
    assert path.read_bytes() == content[: len(content) // 2]


def test_a_line_that_is_missing_from_a_journal_is_noticed(tmp_path: Path) -> None:
    url = url_of("journal", tmp_path)
    path = made(url)
    lines = path.read_bytes().splitlines(keepends=True)
    (lost,) = [n for n, line in enumerate(lines) if b'"epochs":[[1,0.5,{"valid/mae":0.7' in line]
    path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    with pytest.raises(StorageError, match="has a damaged trial 1"):
        read(url)


# Gone


def test_a_record_that_is_deleted_under_its_driver_is_put_back(kind: str, tmp_path: Path) -> None:
    url = url_of(kind, tmp_path)
    path = made(url)
    with resume(url) as ledger:
        train(ledger, 0.3)
        told = ledger.record()
        path.unlink()
        with pytest.raises(
            StorageError, match=r"it was deleted while.* is in .*/study.* the same command goes on"
        ):
            begin(ledger)
        assert ledger.record() == told
    with resume(url) as ledger:
        assert ledger.record() == told
        train(ledger, 0.3)


def test_a_folder_that_is_deleted_under_its_driver_is_put_back(tmp_path: Path) -> None:
    url = url_of("journal", tmp_path / "deep")
    made(url)
    with resume(url) as ledger:
        told = ledger.record()
        shutil.rmtree(tmp_path / "deep")
        with pytest.raises(StorageError, match="it was deleted while the study ran"):
            begin(ledger)
    assert read(url) == told


def test_a_record_that_is_replaced_under_its_driver_is_rescued_beside_it(
    kind: str, tmp_path: Path
) -> None:
    url = url_of(kind, tmp_path)
    path = made(url)
    old = path.read_bytes()
    with resume(url) as ledger:
        train(ledger, 0.3)
        told = ledger.record()
        path.unlink()
        path.write_bytes(old)
        with pytest.raises(StorageError, match=r"it was replaced while .*rescued now"):
            begin(ledger)
    assert path.read_bytes() == old
    assert read(f"{url}.rescued") == told


def test_a_record_that_is_moved_under_its_driver_stays_whole_where_it_is(
    kind: str, tmp_path: Path
) -> None:
    url = url_of(kind, tmp_path)
    path = made(url)
    with resume(url) as ledger:
        told = ledger.record()
        path.rename(tmp_path / "moved")
        with pytest.raises(StorageError, match=r"it was moved while .*Move it back"):
            begin(ledger)
    assert not path.exists()
    (tmp_path / "moved").rename(path)
    assert read(url) == told


@pytest.mark.parametrize("removed", ["driver", "study"])
def test_what_keeps_a_second_driver_out_is_watched(tmp_path: Path, removed: str) -> None:
    url = url_of("journal", tmp_path)
    with start(url) as ledger:
        begin(ledger)
        if removed == "driver":
            (tmp_path / "study.journal.driver").unlink()
            words = "driver: it was removed while the study ran"
        else:
            optuna.delete_study(study_name="toy", storage=in_optuna("journal", tmp_path))
            words = "cannot be written: the study is no longer in it"
        with pytest.raises(StorageError, match=words):
            begin(ledger)


def in_optuna(kind: str, folder: Path) -> BaseStorage:
    if kind == "sqlite":
        return RDBStorage(url_of(kind, folder))
    return JournalStorage(JournalFileBackend(str(folder / "study.journal")))


# Of another version


def test_a_record_of_another_schema_is_refused(kind: str, tmp_path: Path) -> None:
    made(url_of(kind, tmp_path))
    storage = in_optuna(kind, tmp_path)
    optuna.load_study(study_name="toy", storage=storage).set_user_attr("mmsearch_schema", 99)
    for opened in (read, resume):
        with pytest.raises(StorageError, match="schema version 99, and this mmsearch reads 1"):
            opened(url_of(kind, tmp_path))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("v3.0.0.d", "run `optuna storage upgrade"),
        ("v99.0.0.a", "Use the version of Optuna"),
    ],
    ids=["older", "newer"],
)
@pytest.mark.parametrize("opened", [read, resume, start], ids=["read", "resumed", "started"])
def test_a_database_of_another_optuna_is_refused_and_left_as_it_is(
    tmp_path: Path, version: str, words: str, opened: Callable[[str], object]
) -> None:
    path = made(url_of("sqlite", tmp_path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
        connection.execute("DROP TABLE trial_heartbeats")
    content = path.read_bytes()
    with pytest.raises(StorageError, match=f"have version {version}, and this .*{words}"):
        opened(url_of("sqlite", tmp_path))
    assert path.read_bytes() == content


def test_a_record_from_before_there_were_seals_is_read_and_gone_on_with(tmp_path: Path) -> None:
    url = url_of("journal", tmp_path)
    path = made(url)
    told = read(url)
    lines = path.read_bytes().splitlines(keepends=True)
    older = b"".join(line for line in lines if b'"system_attr":{"mmsearch_seal"' not in line)
    seals = rb',"nth":\d+,"seal":\[\d+\]|"mmsearch_seal":\[\d+\]'
    path.write_bytes(re.sub(seals, b"", older))
    assert read(url) == told
    with resume(url) as ledger:
        train(ledger, 0.5)
        told = ledger.record()
    assert read(url) == told
