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
    """Ends a command that trains with `MISTAKE` or, for a second Ctrl-C, with `INTERRUPTED`."""
    with (
        mistakes(),
        # A disk that is full, read-only or gone; what is on record stays.
        refusals("a file of the study", "Mend that, then go on with the same command."),
    ):
        try:
            yield
        except KeyboardInterrupt:
            print("stopped at once; the same command goes on", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def mistakes() -> Generator[None]:
    """Ends the command with `MISTAKE` for what the user did wrong."""
    try:
        yield
    except MmsearchError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        raise typer.Exit(MISTAKE) from None


@contextmanager
def refusals(unnamed: str, way_out: str) -> Generator[None]:
    """Ends the command with `MISTAKE` for what the system refuses.

    Args:
        unnamed: what is refused, where the system does not name it.
        way_out: what the user can do.
    """
    try:
        yield
    except OSError as error:
        problem = Problem(str(error.filename or unnamed), words_of(error).lower(), way_out)
        print(f"error: {problem}", file=sys.stderr)
        raise typer.Exit(MISTAKE) from None
