"""A record's file, held open while it is driven, so that it outlives its name.

Unusual: a file that is deleted under a driver would be written on to the end, and vanish with the
driver. It is noticed before the next write instead, and what was recorded is put back.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling.lock import Check


@contextmanager
def held(path: Path) -> Iterator[Check]:
    """Holds the file open.

    Yields:
        What raises a StorageError when the file is no longer the one at its path.
    """
    with path.open("rb") as file:
        yield partial(_check, str(path), file, os.fstat(file.fileno()))


def _check(path: str, file: BinaryIO, ours: os.stat_result) -> None:
    try:
        if os.path.samestat(os.stat(path), ours):  # noqa: PTH116  before every write
            return
        gone, target = "replaced", Path(f"{path}.rescued")
    except FileNotFoundError:
        gone, target = "deleted", Path(path)
    if os.fstat(file.fileno()).st_nlink:
        rule, way_out = (
            "it was moved while the study ran",
            "Move it back, then give the same command again.",
        )
    else:
        _copy(file, target)
        rule = f"it was {gone} while the study ran"
        way_out = (
            f"What was recorded is in {target} now; with it in place, the same command goes on."
        )
    raise StorageError(Problem(path, rule, way_out))


def _copy(file: BinaryIO, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy)
