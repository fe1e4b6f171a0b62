"""One driver a record in a file, on one host and, as far as it can be seen, on several."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from toy_ledger import STUDY, begin, resume, start
from toy_process import python

from mmsearch.errors import StorageError
from mmsearch.sampling import lock, read

ELSEWHERE = "host elsewhere, process 7, since 2026-11-21T18:00:00+00:00"


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """The file that says who drives a study that is on record."""
    start(tmp_path).leave()
    return tmp_path / "study.journal.driver"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.2)


@contextmanager
def beating(driver: Path) -> Iterator[None]:
    """A driver of another host that lives, and whose lock does not reach ours."""
    over = Event()

    def beat() -> None:
        while not over.wait(0.1):
            os.utime(driver)

    thread = Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_file_beside_the_record_says_who_drives_and_that_it_has_left(tmp_path: Path) -> None:
    driver = tmp_path / "study.journal.driver"
    with start(tmp_path):
        assert driver.read_text().startswith(f"host {socket.gethostname()}, process {os.getpid()}")
        assert "left" not in driver.read_text()
    assert ", left 20" in driver.read_text()


def test_another_study_of_the_same_file_has_to_wait_too(tmp_path: Path) -> None:
    with start(tmp_path), pytest.raises(StorageError, match=r"a file has one .* another --storage"):
        start(tmp_path, replace(STUDY, name="other"))


def test_a_live_driver_of_another_host_is_noticed_by_its_touches(
    tmp_path: Path, driver: Path
) -> None:
    driver.write_text(ELSEWHERE)
    with (
        beating(driver),
        pytest.raises(StorageError, match=rf"another driver .*\({ELSEWHERE[:31]}"),
    ):
        resume(tmp_path)
    assert driver.read_text() == ELSEWHERE


def test_a_driver_of_another_host_that_was_killed_is_waited_for_a_moment(
    tmp_path: Path, driver: Path
) -> None:
    driver.write_text(ELSEWHERE)
    with resume(tmp_path) as ledger:
        begin(ledger)
    assert "elsewhere" not in driver.read_text()


def test_a_driver_of_another_host_that_has_left_is_not_waited_for(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 100.0)
    driver.write_text(f"{ELSEWHERE}, left 2026-11-21T19:00:00+00:00")
    resume(tmp_path).leave()


def test_a_driver_touches_its_file_as_long_as_it_lives(tmp_path: Path) -> None:
    driver = tmp_path / "study.journal.driver"
    with start(tmp_path):
        first = driver.stat().st_mtime_ns
        end = time.monotonic() + 30
        while driver.stat().st_mtime_ns == first:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError, match=r"no locks that keep a second driver out.*PostgreSQL"):
        start(tmp_path)
    assert not (tmp_path / "study.journal").exists()


def test_a_killed_driver_frees_the_record_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from toy_ledger import *\n"
        "ledger = start(Path(sys.argv[1])); begin(ledger); print('on', flush=True)\n"
        "time.sleep(60)\n"
    )
    with python(code, str(tmp_path)) as other:
        assert other.stdout is not None
        try:
            other.stdout.readline()
            with pytest.raises(StorageError, match=rf"another driver .*process {other.pid},"):
                resume(tmp_path)
        finally:
            other.kill()
    with resume(tmp_path) as ledger:
        assert len(ledger.waiting()) == 1
    assert len(read(f"journal://{tmp_path / 'study.journal'}").trials) == 1
