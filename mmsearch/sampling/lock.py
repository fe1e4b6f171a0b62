"""One driver a study: a second one is told so before it can touch the record."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mmsearch.errors import Problem, StorageError


@contextmanager
def only_driver(path: Path) -> Iterator[None]:
    """Keeps every other driver out of the record at `path` while the context lasts.

    The system frees the lock of a process that dies, however it dies. The file
    `<record>.driver` stays; it says who drove last.

    Raises:
        StorageError: another driver holds it.
        OSError: the file cannot be written.
    """
    with _beside(path).open("a+", encoding="utf-8") as file:
        _take(file, path)
        file.truncate(0)
        file.write(f"host {socket.gethostname()}, process {os.getpid()}\n")
        file.flush()
        yield


def no_driver(path: Path) -> None:
    """Whether the record at `path` has no driver at this moment; nothing is written.

    Raises:
        StorageError: a driver holds it.
        OSError: the file cannot be read.
    """
    if _beside(path).exists():
        with _beside(path).open(encoding="utf-8") as file:
            _take(file, path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.driver")


def _take(file: TextIO, path: Path) -> None:
    """Holds the lock until the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        rule = f"another driver is at work on this record ({file.read().strip()})"
        way_out = "Wait until it has ended or stop it, or start another study with --name."
        raise StorageError(Problem(str(path), rule, way_out)) from None
