"""One driver a study: a second one is told so before it can touch the record."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    beside = path.with_name(f"{path.name}.driver")
    with beside.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            rule = f"another driver is at work on this record ({file.read().strip()})"
            way_out = "Wait until it has ended or stop it, or start another study with --name."
            raise StorageError(Problem(str(path), rule, way_out)) from None
        file.truncate(0)
        file.write(f"host {socket.gethostname()}, process {os.getpid()}\n")
        file.flush()
        yield
