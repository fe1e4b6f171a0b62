"""Keeps a process that trains, and a method's file, away from the test split.

Unusual: the seal is an audit hook of Python's, which nothing in the process can take off again. It
answers whatever opens a file through Python, by whichever name or link; a library that opens files
by itself it does not see, so it proves nothing against malice. It is there against mistakes.
"""

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmsearch.datasets.base import VARIABLE
from mmsearch.datasets.bundled import FILES
from mmsearch.errors import DataError, Problem

GIVING = ("mmsearch.datasets.held_out", "mmsearch.datasets.inspection", "mmsearch.selection")
"""Modules that give the test split, or look at it; with all that is in them."""
PACKAGE = FILES.resolve().parent.parent
SUFFIXES = frozenset(
    {".npz", ".npy", ".parquet", ".pkl", ".pickle", ".csv", ".tsv", ".jsonl", ".h5", ".csd"}
)
"""Of files that hold examples: networks, code and checkpoints may lie beside them."""
WAY_OUT = (
    "A trial gets train and valid from the search; `python -m mmsearch.best STUDY --open-test` "
    "evaluates the choice."
)


def seal(*folders: Path, but: Sequence[Path] = ()) -> None:
    """From now on, this process opens no dataset's file and imports nothing that gives test.

    Those of the package are sealed, those in the folder that MMSEARCH_DATA names, and these.

    Args:
        folders: of datasets.
        but: folders that may lie in them and stay open, such as features made of train and valid.
    """
    named = os.environ.get(VARIABLE)
    shut = [_real(part) for part in (FILES, *folders, *([named] if named else []))]
    open_ = [_real(part) for part in but]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and gives_test(str(arguments[0])):
            raise _refused(f"import {arguments[0]}", "gives the test split")
        if event == "open" and isinstance(arguments[0], str | bytes | Path):
            path = _real(os.fsdecode(arguments[0]))
            if gives_test(_module(path)):
                raise _refused(f"import {_module(path)}", "gives the test split")
            held = path.suffix.lower() in SUFFIXES and any(path.is_relative_to(f) for f in shut)
            if held and not any(path.is_relative_to(folder) for folder in open_):
                raise _refused(str(path), "is a dataset's file, which may hold the test split")

    sys.addaudithook(hook)


def gives_test(module: str) -> bool:
    """Whether the module of this name gives the test split."""
    return any(module == one or module.startswith(f"{one}.") for one in GIVING)


def imported(tree: ast.AST) -> set[str]:
    """Modules that give test and that a source imports, or names in a text of its own."""
    return {name for node in ast.walk(tree) for name in _names(node) if gives_test(name)}


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names):
            yield from (one.name for one in names)
        case ast.ImportFrom(module=str(module), names=names):
            yield module
            yield from (f"{module}.{one.name}" for one in names)
        case ast.Constant(value=str(text)):
            yield text
        case _:
            pass


def _module(path: Path) -> str:
    """What a file of the package is imported as, compiled or not; `importlib` says only the file.

    Empty for any other file.
    """
    if path.suffix not in {".py", ".pyc"} or not path.is_relative_to(PACKAGE):
        return ""
    parts = [part for part in path.relative_to(PACKAGE.parent).parts if part != "__pycache__"]
    return ".".join([*parts[:-1], parts[-1].partition(".")[0]])


def _real(path: Path | str) -> Path:
    return Path(os.path.realpath(path))


def _refused(place: str, rule: str) -> DataError:
    return DataError(Problem(place, f"{rule}: it is sealed while a trial is trained", WAY_OUT))
