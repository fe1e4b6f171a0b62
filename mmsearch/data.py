"""`python -m mmsearch.data`: which datasets are known, there and right, and where the others are.

Unusual: a listing never fails, whatever is wrong is part of it; asking for one dataset does.
"""

import os
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch import exits
from mmsearch.errors import DataError, Problem

if TYPE_CHECKING:
    from mmsearch.datasets.inspection import Inspection


def data(
    name: Annotated[
        str | None, typer.Argument(help="A dataset to check wholly; all are listed without.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder of the dataset's files; without a name, the folder that has a folder "
            "for each dataset. Default: what MMSEARCH_DATA names.",
        ),
    ] = None,
) -> None:
    """Say which datasets are there and right, and where to get the others."""
    with exits.mistakes():
        if folder is not None and not folder.is_dir():
            rule = f"expected a folder, got {str(folder)!r}"
            raise DataError(Problem("--data", rule, "Give the folder of the dataset's files."))
        lines = listed(folder) if name is None else checked(name, folder)
        for line in lines:
            print(line)


def listed(folder: Path | None) -> Iterator[str]:
    """Every known dataset, whether it is there, right, wrong or absent; in lines of text.

    Args:
        folder: has a folder for each dataset; None looks in the one that MMSEARCH_DATA names.
    """
    from mmsearch import datasets
    from mmsearch.datasets.inspection import headline

    for name in datasets.known():
        yield f"{name}: {headline(name)}"
        with _folder_of_datasets(folder):
            yield from _standing(name)
        yield ""


def checked(name: str, folder: Path | None) -> Iterator[str]:
    """One dataset, all of its files read; in lines of text.

    Args:
        name: the dataset's.
        folder: where its files lie; None looks in the folder that MMSEARCH_DATA names.

    Raises:
        DataError: unknown name, or files that are missing, damaged or of another layout.
    """
    from mmsearch.datasets.inspection import headline, inspect

    yield f"{name}: {headline(name)}"
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        inspection = inspect(name, folder=folder)
    yield from _described(inspection)
    yield from (f"  note        {warning.message}" for warning in noted)


def _standing(name: str) -> Iterator[str]:
    from mmsearch import datasets

    try:
        datasets.check(name)
    except DataError as error:
        yield from (f"  absent      {problem}" for problem in error.problems)
        return
    try:
        _, *lines = checked(name, None)
    except DataError as error:
        yield from (f"  wrong       {problem}" for problem in error.problems)
        return
    yield from lines


def _described(found: "Inspection") -> Iterator[str]:
    task = found.task
    kind = f"{task.loss_family} of {len(task.classes)} classes" if task.classes else "regression"
    yield f"  valid       {kind}, metrics {task.metrics}"
    yield "  rows        " + ", ".join(f"{rows} {split}" for split, rows in found.rows.items())
    yield f"  modalities  {found.modalities}"
    yield f"  labels      {task.balance}"
    yield f"  SHA-256     {found.fingerprint} (train and valid)"


@contextmanager
def _folder_of_datasets(folder: Path | None) -> Generator[None, None, None]:
    """For a while, datasets are looked for in this folder and not where the environment says."""
    from mmsearch.datasets.base import VARIABLE

    before = os.environ.get(VARIABLE)
    if folder is not None:
        os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(data)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.data")
