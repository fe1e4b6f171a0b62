"""Keeps the terminal for us: what the engines print goes to a log file."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mmsearch.cluster.logs import redirect, unbreakable


@contextmanager
def engines_to(log: Path) -> Generator[tuple[TextIO, str | None]]:
    """Sends standard output and error of this process, Ray's C++ part included, to a file.

    Yields:
        The real standard output, and why the file cannot be written, if so; all is as it was when
        the block ends.
    """
    before = sys.stdout, sys.stderr
    real_out, real_err = os.dup(1), os.dup(2)
    why = redirect(log)
    unbreakable()
    try:
        with os.fdopen(os.dup(real_out), "w", encoding="utf-8", errors="replace") as terminal:
            yield terminal, why
    finally:
        sys.stdout, sys.stderr = before
        os.dup2(real_out, 1)
        os.dup2(real_err, 2)
        os.close(real_out)
        os.close(real_err)
