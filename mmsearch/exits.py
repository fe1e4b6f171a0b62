"""How a command ends: what the user or the disk did wrong is told in a line, with no traceback."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from mmsearch.errors import MmsearchError, Problem, words_of

MISTAKE = 2
INTERRUPTED = 130


@contextmanager
def told() -> Generator[None]:
    """Ends the command with `MISTAKE` for a mistake, with `INTERRUPTED` for a second Ctrl-C."""
    try:
        yield
    except MmsearchError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        raise typer.Exit(MISTAKE) from None
    except OSError as error:
        print(f"error: {_disk(error)}", file=sys.stderr)
        raise typer.Exit(MISTAKE) from None
    except KeyboardInterrupt:
        print("stopped at once; the same command goes on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _disk(error: OSError) -> Problem:
    """A disk that is full, read-only or gone; what is on record stays."""
    return Problem(
        str(error.filename or "a file of the study"),
        words_of(error).lower(),
        "Mend that, then go on with the same command.",
    )
