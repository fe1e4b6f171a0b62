"""What a process prints goes to a log file; a log that takes no more is no reason to stop."""

import os
import sys
from contextlib import suppress
from io import FileIO, TextIOWrapper
from pathlib import Path

from mmsearch.errors import words_of


class _Log(FileIO):
    """A file of which nobody minds what it does not take: a full disk under it is no error."""

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:
        """All of it is taken."""
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


def unbreakable() -> None:
    """From now on, printing in this process does not fail for want of a disk."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, TextIOWrapper(_Log(descriptor, "wb", closefd=False), write_through=True))


def redirect(path: Path) -> str | None:
    """Sends what this process prints from now on to the end of a file, in C++ as well.

    Returns:
        Why it cannot be written, if so; what is printed is lost then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        path.parent.mkdir(exist_ok=True)  # The study's folder is there, or its disk is away.
        log, why = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), None
    except OSError as error:
        log, why = os.open(os.devnull, os.O_WRONLY), words_of(error)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return why
