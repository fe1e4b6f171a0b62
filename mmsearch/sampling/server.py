"""One driver a study on a PostgreSQL server: a session lock, held by a connection of its own.

The server frees the lock when the connection ends, so when the driver dies, however it dies; a
driver's host that is cut off counts as dead after two minutes. Several studies of one database may
have a driver each. Unusual: a pooler that shares sessions between clients (PgBouncer's transaction
mode) loses such locks, so the URL must lead to the server itself.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import Connection, NullPool, create_engine, text

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling.urls import engine_url, place_of

SESSION = {
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
"""The server's settings of the lock's connection, where it knows them."""
HOLDER = """
    SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = :high AND objid::bigint = :low
"""


class ServerLock:
    """The lock of one study, held."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raises an error of the server's when the connection, and with it the lock, is gone."""
        self._connection.execute(text("SELECT 1"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Of all drivers in the database only one is in here: tables are made once."""
        key = {"key": _key("")}
        self._connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
        try:
            yield
        finally:
            self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def only_driver_of(url: str, study: str) -> Iterator[ServerLock]:
    """Keeps every other driver out of one study of a database while the context lasts.

    Raises:
        StorageError: another driver holds it.
        SQLAlchemyError: the server does not answer.
    """
    engine = create_engine(engine_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        _settle(connection)
        key = _key(study)
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            rule = f"another driver is at work on study {study!r} ({_holder(connection, key)})"
            way_out = "Wait until it has ended or stop it, or start another study with --name."
            raise StorageError(Problem(place_of(url), rule, way_out))
        yield ServerLock(connection)


def _settle(connection: Connection) -> None:
    """Says who holds the connection (the server keeps 63 bytes), and keeps it from idling out."""
    name = f"mmsearch on {socket.gethostname()[:36]}, process {os.getpid()}"
    settings = {"application_name": name, **SESSION}
    for key, value in settings.items():
        connection.execute(
            text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :key"),
            {"key": key, "value": value},
        )


def _holder(connection: Connection, key: int) -> str:
    halves = {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}
    holder = connection.execute(text(HOLDER), halves).one_or_none()
    if holder is None or not holder[0]:
        return "the server does not say whose"
    name, since = str(holder[0]).removeprefix("mmsearch on "), holder[1]
    return f"host {name}, since {since.isoformat(timespec='seconds')}"


def _key(study: str) -> int:
    """A study's lock: 64 bits with a sign; the server itself adds the database."""
    digest = sha256(f"mmsearch/{study}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
