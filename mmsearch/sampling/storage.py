"""An open storage: to read a record, or to drive its study alone.

Unusual: a write that failed is the last one of a sitting. Whether it reached the disk or the server
is not known then, and only opening the record again tells; so nothing is lost or written twice.
Before each write the driver makes sure that the disk is there, waiting for it if it is away, and
that it still holds its lock and its file.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import Engine, NullPool, create_engine, inspect, text

from mmsearch.disks import Disk
from mmsearch.errors import Problem, StorageError, reason_of
from mmsearch.sampling import journal
from mmsearch.sampling.failures import FAILURES, RESTORE, damaged, failing, failure
from mmsearch.sampling.grip import held
from mmsearch.sampling.lock import Check, no_driver, only_driver
from mmsearch.sampling.server import only_driver_of
from mmsearch.sampling.urls import EXAMPLES, JOURNAL, engine_url, file_of, place_of

PATIENCE_S = 20.0
"""How long SQLite waits for another program's write to end."""
ELSEWHERE = "Name another folder with --out, or another file with --storage."


class Store:
    """Optuna's storage at a URL, with all that can fail told in our own words."""

    def __init__(
        self,
        url: str,
        optuna: BaseStorage,
        *,
        checks: Sequence[Check] = (),
        mend: Callable[[], None] | None = None,
    ) -> None:
        """Takes over an open storage.

        Args:
            url: of the storage.
            optuna: the storage.
            checks: what a driver must still hold before each write.
            mend: takes back what a failed write may have left.
        """
        self.place = place_of(url)
        self._url = url
        self._optuna = optuna
        self._checks = checks
        self._mend = mend
        self._failed: StorageError | None = None

    @contextmanager
    def reading(self) -> Iterator[BaseStorage]:
        """The storage, to read from.

        Raises:
            StorageError: it cannot be read, or is damaged.
        """
        with failing(self._url, "read"), damaged(self._url):
            yield self._optuna

    @contextmanager
    def writing(self) -> Iterator[BaseStorage]:
        """The storage, for one write.

        Raises:
            StorageError: it cannot be written, or could not be before.
        """
        if self._failed:
            raise self._failed
        try:
            for check in self._checks:
                check()
            yield self._optuna
        except (*FAILURES, LookupError, StorageError) as error:
            self._failed = self._told(error)
            if self._mend:
                with suppress(OSError, StorageError):
                    self._mend()
            raise self._failed from error

    def _told(self, error: Exception) -> StorageError:
        if isinstance(error, StorageError):
            return error
        if isinstance(error, LookupError):
            rule = f"the record cannot be written: the study is no longer in it ({error})"
            way_out = "Restore it from a copy, or start the study anew without --resume."
            return StorageError(Problem(self.place, rule, way_out))
        return failure(self._url, "written", error)

    def close(self) -> None:
        """Lets go of it."""
        _disconnect(self._optuna)


@contextmanager
def reading(url: str) -> Iterator[Store]:
    """The storage, opened so that nothing is written, while another process may write.

    Raises:
        StorageError: it is absent or cannot be read.
    """
    with failing(url, "read"):
        _must_exist(url)
        store = Store(url, _connect(url, create=False))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def driving(url: str, study: str, *, create: bool) -> Iterator[Store]:
    """The storage, mended and opened for the only driver of its file, or of the study.

    Args:
        url: where it is.
        study: name of what is driven.
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
                store = _driven_file(url, path, stack, create=create)
            else:
                lock = stack.enter_context(only_driver_of(url, study))
                with lock.alone():
                    store = Store(url, _connect(url, create=create), checks=[lock.check])
        stack.callback(store.close)
        yield store


def is_there(url: str) -> bool:
    """Whether a record can be at the URL: there is a file, or the tables that Optuna makes.

    Raises:
        StorageError: it cannot be read.
    """
    path = file_of(url)
    with failing(url, "read"):
        if path and not path.exists():
            return False
        if path and not path.is_file():
            rule = "the record must be a file, got something else"
            raise StorageError(Problem(str(path), rule, ELSEWHERE))
        return url.startswith(JOURNAL) or _has_tables(url, _options(url))


def require_drivable(url: str) -> None:
    """Whether a driver could open the record now, or make one where there is none.

    Nothing is written. Whether a server has another driver of the study is seen on opening alone.

    Raises:
        StorageError: it could not be written or made, or has a driver.
    """
    path = file_of(url)
    if not path:
        return
    with failing(url, "opened"):
        _must_be_writable(path)
        no_driver(path)
        if not url.startswith(JOURNAL):
            _engine(url, _options(url)).dispose()


def _driven_file(url: str, path: Path, stack: ExitStack, *, create: bool) -> Store:
    path.parent.mkdir(parents=True, exist_ok=True)
    locked = stack.enter_context(only_driver(path))
    mend = partial(journal.mend, path) if url.startswith(JOURNAL) else None
    if mend and path.exists():
        mend()
    optuna = _connect(url, create=create)
    try:
        there = stack.enter_context(held(path))
    except OSError:
        _disconnect(optuna)
        raise
    return Store(url, optuna, checks=[Disk(path.parent).wait, there, locked], mend=mend)


def _connect(url: str, *, create: bool) -> BaseStorage:
    path = file_of(url)
    if url.startswith(JOURNAL) and path:
        return journal.connect(path)
    options = _options(url)
    tables = _has_tables(url, options)
    if not (tables or create):
        raise _no_record(place_of(url))
    with damaged(url):
        # An older Optuna's tables must not get newer ones beside them.
        optuna = RDBStorage(
            engine_url(url), options, skip_compatibility_check=True, skip_table_creation=tables
        )
    try:
        _require_version(url, optuna)
    except BaseException:
        _disconnect(optuna)
        raise
    return optuna


def _require_version(url: str, optuna: RDBStorage) -> None:
    found, ours = optuna.get_current_version(), optuna.get_head_version()
    if found == ours:
        return
    rule = f"Optuna's tables in it have version {found}, and this Optuna reads {ours}"
    way_out = (
        "Copy it, then run `optuna storage upgrade --storage` with its URL."
        if found in optuna.get_all_versions()
        else "Use the version of Optuna that wrote it, or a newer one."
    )
    raise StorageError(Problem(place_of(url), rule, way_out))


def _options(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": PATIENCE_S}} if file_of(url) else {}


def _must_be_writable(path: Path) -> None:
    nearest = next(part for part in (path, *path.absolute().parents) if part.exists())
    needed = os.W_OK | os.X_OK if nearest.is_dir() else os.W_OK | os.R_OK
    rule = None
    if nearest != path and not nearest.is_dir():
        rule = f"the record cannot be made here, {nearest} is no folder"
    elif not os.access(nearest, needed, effective_ids=True):
        rule = f"the record cannot be written, {nearest} belongs to another user or is read-only"
    if rule:
        raise StorageError(Problem(str(path), rule, ELSEWHERE))


def _engine(url: str, options: dict[str, Any]) -> Engine:
    """An engine of its own for one look.

    Raises:
        StorageError: a parameter in the URL cannot be read.
    """
    try:
        engine = create_engine(engine_url(url), poolclass=NullPool, **options)
        engine.dialect.create_connect_args(engine.url)
    except (ValueError, TypeError) as error:
        rule = f"not the URL of a storage: {reason_of(error)}, got {place_of(url)!r}"
        raise StorageError(Problem("--storage", rule, EXAMPLES)) from error
    return engine


def _has_tables(url: str, options: dict[str, Any]) -> bool:
    """Whether Optuna's tables are there; a database in a file is looked over first.

    Raises:
        StorageError: the file is damaged, or another program's.
    """
    engine = _engine(url, options)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.scalar(text("PRAGMA quick_check(1)"))
            if found != "ok":
                rule = f"the record is damaged: {str(found).splitlines()[-1]}"
                raise StorageError(Problem(place_of(url), rule, RESTORE))
        tables = inspect(connection)
        # Optuna makes its tables one by one, and the first may stand alone after a kill.
        if tables.has_table("studies") and not any(
            column["name"] == "study_id" for column in tables.get_columns("studies")
        ):
            rule = "the database is another program's: it has no such table of studies as Optuna's"
            raise StorageError(Problem(place_of(url), rule, ELSEWHERE))
        return tables.has_table("version_info")


def _disconnect(optuna: BaseStorage) -> None:
    optuna.remove_session()
    if isinstance(optuna, RDBStorage):
        optuna.engine.dispose()


def _must_exist(url: str) -> None:
    path = file_of(url)
    if path and not path.exists():
        raise _no_record(str(path))


def _no_record(place: str) -> StorageError:
    way_out = "Start the study without --resume, or name the storage that it was started with."
    return StorageError(Problem(place, "no record here", way_out))
