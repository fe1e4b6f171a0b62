"""One driver a record in a file: a second one is told so before it can touch it.

The system locks `<record>.driver`, and frees it when the driver dies, however it dies; so a file
has one driver, whatever number of studies it holds. Unusual: over a network some file systems
lock only between the processes of one host. So a driver also touches the file every few seconds,
and who finds that a driver of another host has not signed off watches it for a while.
"""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from pathlib import Path
from threading import Event, Thread

from mmsearch.errors import Problem, StorageError

BEAT_S = 5.0
"""Seconds between two touches of the file."""
WATCH_BEATS = 3
"""Touches that may fail to come before a driver of another host counts as dead."""
LEFT = ", left "
"""Follows the name of a driver that has signed off."""
UNLOCKABLE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

Check = Callable[[], None]
"""Raises an OSError or a StorageError when a driver has lost what it holds."""


@contextmanager
def only_driver(path: Path) -> Iterator[Check]:
    """Keeps every other driver out of the record at `path` while the context lasts.

    The file `<record>.driver` stays; it says who drove last.

    Yields:
        What tells whether the lock is still where others look for it.

    Raises:
        StorageError: another driver holds it, or its file system has no locks.
        OSError: the file cannot be written.
    """
    beside = _beside(path)
    with beside.open("ab+", buffering=0) as file:
        _lock(file, path)
        _see_off(file, path)
        file.truncate(0)
        file.write(me().encode())
        try:
            with _beating(file):
                yield partial(_same, str(beside), os.fstat(file.fileno()))
        finally:
            with suppress(OSError):
                file.write(f"{LEFT}{_now()}".encode())


def no_driver(path: Path) -> None:
    """Whether the record at `path` has no driver of this host at this moment; nothing is written.

    Raises:
        StorageError: a driver holds it.
        OSError: the file cannot be read.
    """
    if _beside(path).exists():
        with _beside(path).open("rb", buffering=0) as file:
            _lock(file, path, fcntl.LOCK_SH)


def me() -> str:
    """Who drives, as a second driver is told."""
    return f"host {socket.gethostname()}, process {os.getpid()}, since {_now()}"


def _lock(file: FileIO, path: Path, kind: int = fcntl.LOCK_EX) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refused(file, path) from None
    except OSError as error:
        if error.errno not in UNLOCKABLE:
            raise
        rule = f"its file system has no locks that keep a second driver out ({error.strerror})"
        way_out = "Name a record on another file system in --storage, or one in PostgreSQL."
        raise StorageError(Problem(str(path), rule, way_out)) from error


def _see_off(file: FileIO, path: Path) -> None:
    """Watches for a driver of another host, which this lock may not keep out.

    Raises:
        StorageError: it is alive.
    """
    said = _said(file)
    if not said or LEFT in said or said.startswith(f"host {socket.gethostname()},"):
        return
    touched = _touched(file)
    for _ in range(WATCH_BEATS * 4):
        time.sleep(BEAT_S / 4)
        if _touched(file) != touched:
            raise _refused(file, path)


@contextmanager
def _beating(file: FileIO) -> Iterator[None]:
    over = Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            with suppress(OSError):
                os.utime(file.fileno())

    heart = Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()


def _same(beside: str, ours: os.stat_result) -> None:
    try:
        same = os.path.samestat(os.stat(beside), ours)  # noqa: PTH116  before every write
    except FileNotFoundError:
        same = False
    if not same:
        rule = "it was removed while the study ran, and without it a second driver is not kept out"
        raise StorageError(
            Problem(beside, rule, "Leave it where it is, and give the same command again.")
        )


def _refused(file: FileIO, path: Path) -> StorageError:
    rule = f"another driver is at work on this record ({_said(file)}), and a file has one at a time"
    way_out = "Wait until it has ended or stop it, or start another study with another --storage."
    return StorageError(Problem(str(path), rule, way_out))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.driver")


def _said(file: FileIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()


def _touched(file: FileIO) -> int:
    """When the file was last touched; opening it anew asks the server of a network."""
    with Path(str(file.name)).open("rb") as again:
        return os.fstat(again.fileno()).st_mtime_ns


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
