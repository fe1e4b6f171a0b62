"""Keeps the terminal for us: what the engines print goes to a log file."""

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from mmsearch.cluster.logs import redirect, unbreakable


@dataclass(frozen=True)
class Quiet:
    """A process whose engines are not heard."""

    terminal: TextIO
    """The real standard output."""
    said: BinaryIO
    """What the engines said before there was a log."""

    def log_to(self, log: Path) -> str | None:
        """What the engines have said goes to the end of this file, and what they will say.

        Returns:
            Why the file cannot be written, if so.
        """
        why = redirect(log)
        self.said.seek(0)
        sys.stdout.buffer.write(self.said.read())
        return why


@contextmanager
def engines_hushed() -> Generator[Quiet]:
    """Keeps standard output and error of this process, Ray's C++ part included, from the terminal.

    Both are as they were when the block ends. Nothing is written until there is a log.
    """
    before = sys.stdout, sys.stderr
    real_out, real_err = os.dup(1), os.dup(2)
    try:
        with (
            tempfile.TemporaryFile() as said,
            os.fdopen(os.dup(real_out), "w", encoding="utf-8", errors="replace") as terminal,
        ):
            _redirect(said.fileno(), said.fileno())
            unbreakable()
            yield Quiet(terminal, said)
    finally:
        sys.stdout, sys.stderr = before
        _redirect(real_out, real_err)
        os.close(real_out)
        os.close(real_err)


def _redirect(out: int, err: int) -> None:
    """Standard output and error go to these files from now on."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
