"""Where a record lies: what a storage's URL says, and what of it a message may show.

* `journal:///absolute/path/study.journal`: Optuna's journal, one file that is only appended to.
* `sqlite:////absolute/path/study.db`: a database in one file.
* `postgresql://user@host/database`: a server; `postgresql+psycopg://` and `postgresql+psycopg2://`
  name the Python driver, and without one it is psycopg.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mmsearch.errors import Problem, StorageError

JOURNAL = "journal://"
SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgresql+psycopg://", "postgresql+psycopg2://")
EXAMPLES = (
    "Write journal:///path/to/study.journal, sqlite:////path/to/study.db or "
    "postgresql://user@host/database."
)


def file_of(url: str) -> Path | None:
    """The file that a URL names; None for a database on a server.

    Raises:
        StorageError: it is no URL, or one of a storage that mmsearch does not know.
    """
    scheme, separator, rest = url.partition("://")
    if not (scheme and separator and rest.strip("/")):
        raise StorageError(Problem("--storage", f"not the URL of a storage, got {url!r}", EXAMPLES))
    if url.startswith(JOURNAL):
        return Path(url.removeprefix(JOURNAL))
    if url.startswith(SQLITE):
        return Path(url.removeprefix(SQLITE).partition("?")[0])
    if not url.startswith(POSTGRESQL):
        rule = "of database servers, PostgreSQL alone keeps a second driver out of a study"
        raise StorageError(Problem(_address(url), rule, EXAMPLES))
    return None


def place_of(url: str) -> str:
    """A URL as messages show it: a file by its path, a database without user and password."""
    path = file_of(url)
    return str(path) if path else _address(url)


def shown(url: str) -> str:
    """A URL as optuna-dashboard takes it, but for a password."""
    path = file_of(url)
    if path:
        return str(path) if url.startswith(JOURNAL) else url
    parsed = make_url(url).difference_update_query(["password"])
    return parsed.render_as_string(hide_password=True)


def engine_url(url: str) -> str:
    """A database's URL with the driver named: which one goes without saying varies."""
    scheme = "postgresql://"
    return url.replace(scheme, POSTGRESQL[1], 1) if url.startswith(scheme) else url


def _address(url: str) -> str:
    scheme = url.partition("://")[0]
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return f"{scheme}://..."
    return URL.create(
        scheme, host=parsed.host, port=parsed.port, database=parsed.database
    ).render_as_string()
