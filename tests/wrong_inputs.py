"""Asks the command line for something wrong, and checks what every answer has in common."""

import os
import re
from collections.abc import Callable, Generator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import ray
import typer
from typer.testing import CliRunner

from mmsearch import data as data_command
from mmsearch.tune.__main__ import app as tune

ROOT = Path(__file__).resolve().parent.parent
STUDY = (ROOT / "search_spaces" / "selfmi.toml").read_text(encoding="utf-8")
SHAPE = re.compile(r"error: (.+?): (.+?)\. ([A-Z`'\"].*[.?])")
"""`error: PLACE: RULE. WAY OUT`, in one line."""
Make = Callable[[Path], object]
"""Writes what is wrong into a folder."""


def nothing(folder: Path) -> None:
    """What is wrong is in the options alone."""


def tuned(folder: Path, *options: str) -> list[str]:
    """The answer of `tune` to these options, given in this folder, in lines."""
    return answered(tune, folder, *options)


def checked(folder: Path, *options: str) -> list[str]:
    """The answer of `data`."""
    return answered(data_command.app, folder, *options)


def holds(lines: list[str], *words: str) -> None:
    """Whether an answer has one line of the right shape with all of these words."""
    for line in lines:
        assert SHAPE.fullmatch(line), line
    assert any(all(word in line for word in words) for line in lines), "\n".join(lines)


def snapshot(folder: Path) -> dict[str, bytes | int]:
    """Every file under a folder with its bytes; folders and what may not be read with its time."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes()
            if path.is_file() and os.access(path, os.R_OK, effective_ids=True)
            else path.stat().st_mtime_ns
        )
        for path in folder.rglob("*")
    }


def answered(app: typer.Typer, folder: Path, *options: str) -> list[str]:
    """What a command says on standard error, having done nothing else, and ended with 2."""
    before = snapshot(folder)
    with chdir(folder), _ray_that_must_not_start():
        result = CliRunner().invoke(app, options)
    assert isinstance(result.exception, SystemExit), result.output + repr(result.exception)
    assert result.exit_code == 2, result.output
    assert snapshot(folder) == before, "something was written"
    assert "Traceback" not in result.output
    return result.stderr.splitlines()


@contextmanager
def _ray_that_must_not_start() -> Generator[None]:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    before: Any = ray.init
    ray.init = started
    try:
        yield
    finally:
        ray.init = before
