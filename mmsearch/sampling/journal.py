"""The journal file: finding it, and mending what a killed driver left at its end.

Unusual: Optuna appends to a torn last line as if it were whole, which makes the file unreadable
for good, and waits half a minute for the lock of a dead writer. Both are put right on opening.
"""

import json
import re
import time
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling.failures import DAMAGE

OPENING = b'{"op_code"'
"""How the first line of every journal begins: no other file is ever cut."""
OF_STUDIES = re.compile(
    rb'^\{"op_code":([0-4]),"worker_id":"[^"]*",(?:"study_id":(\d+))?', re.MULTILINE
)
"""Beginnings of lines that make a study (0), delete or change it, or propose a trial of it."""
PATIENCE_S = 2.0
"""How long a writer may hold Optuna's lock before it counts as dead; an append takes a few ms."""


def connect(path: Path) -> JournalStorage:
    """The journal as optuna-dashboard opens it; a file that is missing is created.

    Raises:
        StorageError: the file is no journal, or a line before the last one is damaged.
        OSError: the file cannot be read.
    """
    if path.exists():
        require(path)
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        _require_studies(path)
    except DAMAGE as error:
        line = _damaged_line(path)
        rule = f"line {line} is damaged" if line else f"it cannot be replayed ({error!r})"
        way_out = "Restore the file from a copy, or start another study with --name."
        raise StorageError(Problem(str(path), rule, way_out)) from error
    return storage


def mend(path: Path) -> None:
    """Frees the lock of a dead writer and cuts a torn last line.

    The caller must be the only driver. A dashboard may write at any time: it takes Optuna's lock.

    Raises:
        StorageError: the file is no journal.
        OSError: the file cannot be read or cut.
    """
    require(path)
    lock = JournalFileSymlinkLock(str(path))
    _free(path.with_name(f"{path.name}.lock"))
    lock.acquire()
    try:
        content = path.read_bytes()
        whole = _whole(content)
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
    finally:
        lock.release()


def require(path: Path) -> None:
    """Whether a file begins as a journal does, or is empty.

    Raises:
        StorageError: the file is no journal.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        first = file.read(len(OPENING))
    if first != OPENING[: len(first)]:
        rule = f"this file is no Optuna journal, got {first!r} at its beginning"
        raise StorageError(Problem(str(path), rule, "Name another file in --storage."))


def _require_studies(path: Path) -> None:
    """Whether each line belongs to a study made before it; Optuna passes over one that does not.

    Raises:
        LookupError: a line names a study that was never made.
    """
    made = 0
    for what, study in OF_STUDIES.findall(path.read_bytes()):
        if what == b"0":
            made += 1
        elif study and int(study) >= made:
            raise LookupError(f"no study {int(study)}")


def _free(link: Path) -> None:
    """Removes the lock of a dead writer: one that stands while a live one's comes and goes."""
    standing, since = _identity(link), time.monotonic()
    while standing is not None:
        if time.monotonic() - since > PATIENCE_S:
            link.unlink(missing_ok=True)
            return
        time.sleep(0.02)
        found = _identity(link)
        if found != standing:
            standing, since = found, time.monotonic()


def _identity(link: Path) -> tuple[int, int] | None:
    try:
        found = link.lstat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _whole(content: bytes) -> int:
    """How many bytes are left when a last line that is torn or no JSON is cut off."""
    end = content.rfind(b"\n") + 1
    start = content.rfind(b"\n", 0, max(0, end - 1)) + 1
    return end if _is_json(content[start:end]) else start


def _damaged_line(path: Path) -> int | None:
    lines = path.read_bytes().splitlines()
    return next((number for number, line in enumerate(lines, 1) if not _is_json(line)), None)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
