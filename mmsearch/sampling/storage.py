"""From a URL to an open Optuna storage, with every way that can fail told in our own words.

`journal:///absolute/path/study.journal` is Optuna's journal file, which optuna-dashboard opens live
by its path. Every other URL is handed to Optuna's database storage; for `sqlite:///path` the file
is looked after as a journal's is. Only files are locked against a second driver: on a database
server, seeing to it that each study has one driver is up to the user.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from mmsearch.errors import Problem, StorageError, reason_of
from mmsearch.sampling import journal
from mmsearch.sampling.lock import no_driver, only_driver

JOURNAL = "journal://"
SQLITE = "sqlite:///"
URLS = "Write journal:///path/to/study.journal or sqlite:////path/to/study.db."


@contextmanager
def reading(url: str) -> Iterator[BaseStorage]:
    """The storage, opened so that nothing is written, while another process may write.

    Raises:
        StorageError: it is absent or cannot be read.
    """
    with failing(url, "read"):
        _must_exist(url)
        storage = _connect(url, create=False)
    try:
        yield storage
    finally:
        _disconnect(storage)


@contextmanager
def driving(url: str, *, create: bool) -> Iterator[BaseStorage]:
    """The storage, mended and opened for its only driver.

    Args:
        url: where it is.
        create: whether it is made, folders included, where it is absent.

    Raises:
        StorageError: it is absent, cannot be read or written, or has another driver.
    """
    path = file_of(url)
    with ExitStack() as stack:
        with failing(url, "opened"):
            if not create:
                _must_exist(url)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(only_driver(path))
            if url.startswith(JOURNAL) and path and path.exists():
                journal.mend(path)
            storage = _connect(url, create=create)
        stack.callback(_disconnect, storage)
        yield storage


@contextmanager
def looking(url: str) -> Iterator[BaseStorage | None]:
    """The storage as `reading` opens it; None where there is none yet and one can be made.

    Raises:
        StorageError: it cannot be read, has a driver, or could not be made.
    """
    with failing(url, "opened"):
        absent = not _is_there(url)
    if absent:
        yield None
    else:
        with reading(url) as storage:
            yield storage


FAILURES = (
    OSError,
    ImportError,
    RuntimeError,
    SQLAlchemyError,
    optuna.exceptions.OptunaError,
)
"""What Optuna's storages raise when the world is not as they need it."""


@contextmanager
def failing(url: str, verb: str) -> Iterator[None]:
    """Turns what a storage raises, when it cannot be `verb`, into a StorageError."""
    try:
        yield
    except FAILURES as error:
        rule = f"the record cannot be {verb}: {_reason(error)}"
        raise StorageError(Problem(place_of(url), rule, _way_out(error))) from error


def file_of(url: str) -> Path | None:
    """The file that a URL names; None for a database on a server.

    Raises:
        StorageError: it is no URL.
    """
    scheme, separator, rest = url.partition("://")
    if not (scheme and separator and rest.strip("/")):
        raise StorageError(Problem("--storage", f"not the URL of a storage, got {url!r}", URLS))
    if url.startswith(JOURNAL):
        return Path(url.removeprefix(JOURNAL))
    if url.startswith(SQLITE):
        return Path(url.removeprefix(SQLITE).partition("?")[0])
    return None


def place_of(url: str) -> str:
    """A URL as messages show it: a file by its path, a database without user and password."""
    path = file_of(url)
    scheme, _, rest = url.partition("://")
    return str(path) if path else f"{scheme}://{rest.rpartition('@')[2]}"


def _is_there(url: str) -> bool:
    """Whether a record may be in it; where nothing is yet, whether a record can be made."""
    path = file_of(url)
    there = path is None or path.exists()
    if path is not None:
        _must_be_writable(path)
        no_driver(path)
        if url.startswith(JOURNAL):
            if there:
                journal.require(path)
            return there
    try:
        engine = create_engine(url)
        engine.dialect.create_connect_args(engine.url)
    except (ValueError, TypeError) as error:
        rule = f"not the URL of a storage: {reason_of(error)}, got {place_of(url)!r}"
        raise StorageError(Problem("--storage", rule, URLS)) from error
    try:
        return there and inspect(engine).has_table("studies")
    finally:
        engine.dispose()


def _must_be_writable(path: Path) -> None:
    nearest = next(part for part in (path, *path.absolute().parents) if part.exists())
    needed = os.W_OK | os.X_OK if nearest.is_dir() else os.W_OK | os.R_OK
    rule = None
    if nearest != path and not nearest.is_dir():
        rule = f"the record cannot be made here, {nearest} is no folder"
    elif nearest == path and not path.is_file():
        rule = "the record must be a file, got something else"
    elif not os.access(nearest, needed, effective_ids=True):
        rule = f"the record cannot be written, {nearest} belongs to another user or is read-only"
    if rule:
        way_out = "Name another folder with --out, or another file with --storage."
        raise StorageError(Problem(str(path), rule, way_out))


def _connect(url: str, *, create: bool) -> BaseStorage:
    path = file_of(url)
    if url.startswith(JOURNAL) and path:
        return journal.connect(path)
    return RDBStorage(url, skip_table_creation=not create)


def _disconnect(storage: BaseStorage) -> None:
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _must_exist(url: str) -> None:
    path = file_of(url)
    if path and not path.exists():
        way_out = "Start the study without --resume, or name the storage that it was started with."
        raise StorageError(Problem(str(path), "no record here", way_out))


def _reason(error: Exception) -> str:
    """The root of an error in one line; Optuna wraps what a database says in a guess of its own."""
    cause = error.__cause__ or error
    words = getattr(cause, "strerror", None) or str(cause).partition("\n")[0]
    return words.rstrip(".")


def _way_out(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "Ask its owner for the right to read and write it."
    if isinstance(error, ImportError):
        return "Install the driver of this database, or use a journal file."
    return "Look at the file, the disk or the database server, then use --resume."
