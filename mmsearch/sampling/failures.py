"""What a storage raises when the world is not as it needs it, told in our own words.

Unusual: Optuna wraps what a database says in a guess of its own, and shows a damaged file as
whatever reading it ran into; both become one error with the place, the cause and a way out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from sqlalchemy.exc import SQLAlchemyError

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling.urls import place_of

FAILURES = (
    OSError,
    ImportError,
    RuntimeError,
    SQLAlchemyError,
    optuna.exceptions.OptunaError,
)
"""What Optuna's storages raise for the world's sake."""
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What they run into when what they read is not what was written."""
RESTORE = "Restore it from a copy, or start another study with --name."
ROOM = "Make room; what is on record stays, and the same command goes on from there."
WRITABLE = "Make it writable; what is on record stays, and the same command goes on from there."
WAYS_OUT = {
    "no space left": ROOM,
    "disk is full": ROOM,
    "quota exceeded": ROOM,
    "read-only": WRITABLE,
    "readonly": WRITABLE,
    "database is locked": "End the program that is writing to it, then start again.",
    "malformed": RESTORE,
    "no such column": RESTORE,
    "not a database": RESTORE,
}
"""What to do, by words of the cause."""


@contextmanager
def failing(url: str, verb: str) -> Iterator[None]:
    """Turns what a storage raises, when it cannot be `verb`, into a StorageError."""
    try:
        yield
    except FAILURES as error:
        raise failure(url, verb, error) from error


def failure(url: str, verb: str, error: Exception) -> StorageError:
    """What a storage raised, one of `FAILURES`, in our own words."""
    reason = _reason(error)
    rule = f"the record cannot be {verb}: {reason}"
    return StorageError(Problem(place_of(url), rule, _way_out(error, reason)))


@contextmanager
def damaged(url: str) -> Iterator[None]:
    """Turns what reading a damaged storage runs into into a StorageError."""
    try:
        yield
    except DAMAGE as error:
        rule = f"the record is damaged, it cannot be read ({error!r})"
        raise StorageError(Problem(place_of(url), rule, RESTORE)) from error


def _reason(error: Exception) -> str:
    """The root of an error in one line."""
    cause = error.__cause__ or error
    said = getattr(cause, "orig", None) or cause
    words = getattr(said, "strerror", None) or str(said).partition("\n")[0]
    return words.strip().rstrip(".")


def _way_out(error: Exception, reason: str) -> str:
    if isinstance(error, PermissionError):
        return "Ask its owner for the right to read and write it."
    if isinstance(error, ImportError):
        return 'Install its driver: pip install "mmsearch[postgresql]".'
    known = (way for words, way in WAYS_OUT.items() if words in reason.lower())
    return next(
        known,
        "Look at the file, the disk or the database server, then give the same command again.",
    )
