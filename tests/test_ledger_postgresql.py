"""The record on a PostgreSQL server: a real one, which this file starts, ends and harms."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from toy_disks import small_disk
from toy_generations import WIDER, drive, study, timeless
from toy_ledger import PROVENANCE, STUDY, begin, epochs, journal, train
from toy_postgresql import Server, running
from toy_process import python

from mmsearch.errors import ConflictError, StorageError
from mmsearch.sampling import Ledger, open_ledger, read
from mmsearch.sampling.urls import engine_url, shown
from mmsearch.study import Study
from mmsearch.trial import Checkpoint, Record, Segment

NAMES = (f"studies_{number}" for number in count())
OTHER = replace(STUDY, name="other")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def database() -> str:
    return next(NAMES)


@pytest.fixture
def url(server: Server, database: str) -> str:
    """A new and empty database."""
    return server.create(database)


def start(url: str, study: Study = STUDY) -> Ledger:
    return open_ledger(url, study, provenance=PROVENANCE, resume=False)


def resume(url: str, study: Study = STUDY) -> Ledger:
    return open_ledger(url, study, provenance=PROVENANCE, resume=True)


def soon(url: str) -> Ledger:
    """The study, as soon as the server has noticed that its driver is dead."""
    for _ in range(100):
        with suppress(StorageError):
            return resume(url)
        time.sleep(0.1)
    return resume(url)


def goes_on(url: str, told: Record) -> None:
    """The record is as told, and takes more."""
    assert read(url, told.name) == told
    with resume(url) as ledger:
        assert ledger.record() == told
        train(ledger, 0.5)


@contextmanager
def in_optuna(url: str) -> Iterator[RDBStorage]:
    """The database as Optuna itself opens it."""
    storage = RDBStorage(engine_url(url))
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def another(url: str, code: str) -> subprocess.Popen[str]:
    """Another process that has the study at this URL in `ledger`, once it has said so."""
    before = (
        "import sys, time; from toy_ledger import *\n"
        "def opened(resume): return open_ledger(sys.argv[1], STUDY, provenance=PROVENANCE,"
        " resume=resume)\n"
    )
    return python(before + code, url, text=True)


def test_a_study_on_a_server_is_what_it_is_in_a_file(url: str, tmp_path: Path) -> None:
    records: list[Record] = []
    for where in (url, f"journal://{tmp_path / 'study.journal'}"):
        with start(where) as ledger:
            train(ledger, 0.9, 0.8, 0.7)
            number = begin(ledger)
            ledger.observe(number, epochs(1, 0.5), checkpoint=Checkpoint("a", 1, 1))
            ledger.observe(number, [], checkpoint=Checkpoint("b", 1, 1))
            ledger.lost(number)
        with resume(where) as ledger:
            ledger.begin(number, Segment("host", 1, 0.0))
            assert ledger.lost(number)
            told = ledger.record()
        assert read(where) == told
        records.append(told)
    first, second = ([_timeless(trial) for trial in record.trials] for record in records)
    assert first == second


def _timeless(trial: object) -> object:
    return replace(trial, started_at=0.0, ended_at=None)


def test_a_study_on_a_server_is_widened_as_it_is_in_a_file(url: str, tmp_path: Path) -> None:
    for place in (url, journal(tmp_path)):
        with start(place, study()) as ledger:
            drive(ledger)
        with resume(place, study(trials=9, space=WIDER)) as ledger:
            drive(ledger)
    ours, theirs = (replace(read(place), provenance={}) for place in (url, journal(tmp_path)))
    assert ours.generation == 2
    assert len(ours.trials) == 9
    assert timeless(ours) == timeless(theirs)
    assert len(read(url, "toy@1").trials) == 6


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        ("postgresql", "psycopg"),
        ("postgresql+psycopg", "psycopg"),
        ("postgresql+psycopg2", "psycopg2"),
    ],
)
def test_each_form_of_the_url_leads_to_the_server(url: str, scheme: str, package: str) -> None:
    pytest.importorskip(package)
    formed = url.replace("postgresql", scheme, 1)
    with start(formed) as ledger:
        train(ledger, 0.5)
        told = ledger.record()
        with pytest.raises(StorageError, match="another driver"):
            resume(url)
    assert read(url) == told


def test_optuna_reads_the_study_on_the_server(url: str) -> None:
    with start(url) as ledger:
        train(ledger, 0.5, 0.4)
    with in_optuna(url) as storage:
        study = optuna.load_study(study_name="toy", storage=storage)
        assert [trial.value for trial in study.trials] == [0.4]


# One driver a study


def test_a_second_driver_of_a_study_is_told_who_drives(url: str) -> None:
    words = rf"driver is at work on study 'toy' \(host .*, process {os.getpid()}, since 20.*--name"
    with start(url), pytest.raises(StorageError, match=words):
        resume(url)
    resume(url).leave()


def test_several_studies_of_one_database_have_a_driver_each(url: str) -> None:
    with start(url) as first, start(url, OTHER) as second:
        for ledger in (first, second, first):
            train(ledger, 0.5)
    assert (len(read(url, "toy").trials), len(read(url, "other").trials)) == (2, 1)
    with pytest.raises(StorageError, match="several studies: other, toy"):
        read(url)


def test_studies_of_one_name_in_two_databases_have_nothing_to_do_with_each_other(
    server: Server, url: str
) -> None:
    with start(url), start(server.create(next(NAMES))):
        pass


def test_two_first_drivers_of_an_empty_database_do_not_get_in_each_others_way(url: str) -> None:
    code = "STUDY = replace(STUDY, name=sys.argv[1][-1])\nwith opened(False) as l: train(l, 0.5)\n"
    drivers = [another(f"{url}&application_name={name}", code) for name in "abc"]
    for driver in drivers:
        driver.communicate(timeout=100)
    assert [driver.returncode for driver in drivers] == [0, 0, 0]
    assert [len(read(url, name).trials) for name in "abc"] == [1, 1, 1]


def test_a_killed_driver_frees_its_study(url: str) -> None:
    code = "ledger = opened(False); begin(ledger); print('on', flush=True); time.sleep(100)\n"
    with another(url, code) as driver:
        assert driver.stdout is not None
        try:
            assert driver.stdout.readline() == "on\n"
            with pytest.raises(StorageError, match=rf"process {driver.pid}, since"):
                resume(url)
        finally:
            driver.kill()
    with soon(url) as ledger:
        assert len(ledger.waiting()) == 1


def test_a_driver_that_has_lost_its_lock_writes_nothing_more(
    server: Server, url: str, database: str
) -> None:
    with start(url) as ledger:
        number = begin(ledger)
        told = ledger.record()
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            f"WHERE locktype = 'advisory' AND datname = '{database}'"
        )
        with resume(url) as second:
            second.begin(number, Segment("other", 0, 0.0))
            with pytest.raises(StorageError, match=r"cannot be written: .*terminat"):
                ledger.observe(number, epochs(1, 0.9))
            second.observe(number, epochs(1, 0.5))
            told = second.record()
    assert read(url) == told


# What harms it


def test_a_server_that_goes_down_ends_the_sitting_and_the_study_goes_on_after(
    server: Server, url: str
) -> None:
    with start(url) as ledger:
        train(ledger, 0.5)
        number = begin(ledger)
        told = ledger.record()
        server.crash()
        try:
            with pytest.raises(
                StorageError, match=r"postgresql:///studies_\d+: .* cannot be written"
            ):
                ledger.observe(number, epochs(1, 0.5))
            with pytest.raises(StorageError, match=r"cannot be read: connection .*No such file"):
                read(url)
        finally:
            server.start()
        with pytest.raises(StorageError, match="cannot be written"):
            ledger.observe(number, epochs(1, 0.5))
        assert ledger.record() == told
    goes_on(url, told)


def test_an_empty_database_holds_no_record_and_stays_empty(
    server: Server, url: str, database: str
) -> None:
    for opened in (read, resume):
        with pytest.raises(StorageError, match=r"no record here. Start the study without --resume"):
            opened(url)
    assert server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database) == "0"


def test_a_database_that_is_absent_is_told(url: str, database: str) -> None:
    with pytest.raises(StorageError, match='database "nowhere" does not exist'):
        start(url.replace(database, "nowhere"))


def test_a_study_that_is_on_record_is_not_started_again(url: str) -> None:
    start(url).leave()
    with pytest.raises(ConflictError, match="already on record"):
        start(url)
    resume(url).leave()


def test_a_full_disk_under_the_server_is_told(server: Server) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg-disk-", dir="/tmp"))
    with small_disk(folder, kilobytes=16384, owner=server.user or "root") as disk:
        server.sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
        url = server.create("small", tablespace="small")
        try:
            with start(url) as ledger:
                disk.fill(leave=200 * 1024)
                with pytest.raises(StorageError, match=r"No space left on device. Make room"):
                    _train_on(ledger)
                kept = ledger.record().trials
            assert read(url).trials == kept
            disk.free()
            with resume(url) as ledger:
                train(ledger, 0.5)
        finally:
            server.sql("DROP DATABASE small")
            server.sql("DROP TABLESPACE small")
    folder.rmdir()


def _train_on(ledger: Ledger) -> None:
    while True:
        train(ledger, *[0.5] * 9)


def test_a_database_that_is_read_only_is_told(server: Server, url: str, database: str) -> None:
    with start(url) as ledger:
        begin(ledger)
        told = ledger.record()
    server.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert read(url) == told
    with (
        resume(url) as ledger,
        pytest.raises(StorageError, match=r"in a read-only.*Make it writable"),
    ):
        begin(ledger)
    server.sql(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    goes_on(url, told)


def test_a_study_that_is_deleted_under_its_driver_is_told(url: str) -> None:
    with start(url) as ledger:
        begin(ledger)
        with in_optuna(url) as storage:
            optuna.delete_study(study_name="toy", storage=storage)
        with pytest.raises(StorageError, match="the study is no longer in it"):
            begin(ledger)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "UPDATE trial_system_attributes SET value_json = replace(value_json, '0.5', '0.4')",
            "check",
        ),
        (
            "UPDATE trial_system_attributes SET value_json = 'nonsense'",
            "damaged, it cannot be read",
        ),
        ("DELETE FROM trial_system_attributes WHERE key LIKE '%observations/1'", "damaged trial 0"),
        (
            "UPDATE study_user_attributes SET value_json = '99' WHERE key LIKE '%schema'",
            "version 99",
        ),
        ("UPDATE alembic_version SET version_num = 'v3.0.0.d'", "optuna storage upgrade"),
        ("DROP TABLE trial_values", 'relation "trial_values" does not exist'),
    ],
    ids=["a value", "no JSON", "a row missing", "our schema", "Optuna's schema", "a table missing"],
)
@pytest.mark.parametrize("opened", [read, resume], ids=["read", "resumed"])
def test_a_record_that_is_damaged_or_of_another_version_is_refused(
    server: Server,
    url: str,
    database: str,
    command: str,
    words: str,
    opened: Callable[[str], object],
) -> None:
    with start(url) as ledger:
        train(ledger, 0.5, 0.5)
        begin(ledger)
    server.sql(command, database)
    with pytest.raises(StorageError, match=words):
        opened(url)


def test_no_message_shows_a_password() -> None:
    url = "postgresql://me:se?cret@127.0.0.1:1/studies?password=secret"
    with pytest.raises(StorageError, match=r"^postgresql://127\.0\.0\.1:1/studies: ") as caught:
        read(url)
    assert "se?cr" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert shown("postgresql://me:secret@host/studies?password=secret") == (
        "postgresql://me:***@host/studies"
    )
