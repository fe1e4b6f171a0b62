"""Some seconds of fuzzing; `python tests/fuzzing.py --minutes 10` goes on."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fuzzed_files import Fuzzed
from fuzzing import STRATEGIES, ForbiddenError, fed, fuzz

SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_a_file_holds_is_data_or_an_answer(name: str) -> None:
    assert fuzz(name, seconds=SECONDS) > 0


def _hidden(folder: Path) -> None:
    """As a reader of damaged files might."""
    with suppress(Exception):
        (folder / "b").write_bytes(b"")


WRONG: dict[str, Callable[[Path], object]] = {
    "runs a command": lambda folder: os.system("true"),
    "starts a program": lambda folder: subprocess.run(["true"], check=False),
    "writes a file": lambda folder: (folder / "b").write_bytes(b""),
    "makes a folder": lambda folder: (folder / "b").mkdir(),
    "removes its file": lambda folder: (folder / "a").unlink(),
    "hides it": _hidden,
}


@pytest.mark.parametrize("read", WRONG.values(), ids=WRONG)
def test_a_reader_that_does_more_than_read_is_caught(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(ForbiddenError):
        fed(Fuzzed("wrong", "a", [b"x"], read), tmp_path, b"y")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_reader_that_raises_anything_else_is_caught(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fed(Fuzzed("wrong", "a", [b"x"], lambda folder: {}["x"]), tmp_path, b"y")
