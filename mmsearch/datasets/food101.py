"""UPMC Food-101: dishes in 101 classes, each an image and the text of the page that it is from.

A folder has `train.csv` and `test.csv` (columns `id`, a file name as `apple_pie_140.jpg`; `text`, a
title; `annotation`, the name of the class; `label`, its number), the images
`images/<train or test>/<annotation>/<id>` and the pages `texts_txt/<annotation>/<id as .txt>`.

Unusual: the text that counts is the page, not the title; of it letters from a to z are kept, in
lower case and in words of two or more, as M3CoL cleans it. There are no valid rows; one in 14 of
each class is carved out of train for them (`carving`), about 5000, always the same ones. The
classes are those that train has, however many.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from mmsearch.datasets import csv_files
from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.carving import carve
from mmsearch.datasets.labels import classification
from mmsearch.datasets.raw import Raw, check_there
from mmsearch.datasets.task import Task
from mmsearch.errors import DataError, Problem

COLUMNS = ("id", "annotation", "label")
PARTS = ("train.csv", "test.csv", "images", "texts_txt")
GROUP = 14
"""Of how many rows of a class one is valid."""
LAYOUT = "See mmsearch/datasets/food101.py for the layout that is read."


class Food101(Dataset):
    """The dataset as UPMC gives it out, with tables of its rows."""

    name = "food101"

    def check(self, folder: Path | None) -> None:
        """Raises DataError naming what is not there; of images and pages the folders."""
        _locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; images and pages of test are opened for test alone."""
        found = _locate(folder)
        seen = csv_files.read(found / "train.csv", columns=COLUMNS)
        classes = _classes(found / "train.csv", seen)
        examples = _examples(found, "train", seen, classes)
        parts = carve(examples, place=str(found / "train.csv"), group=GROUP)
        if "test" in splits:
            rows = csv_files.read(found / "test.csv", columns=COLUMNS)
            parts["test"] = _examples(found, "test", rows, classes)
        return {split: parts[split] for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Classification of the dish."""
        path = _locate(folder) / "train.csv"
        classes = _classes(path, csv_files.read(path, columns=COLUMNS))
        return classification(self.name, train, classes, metrics="topics")


def cleaned(page: str) -> str:
    """Words of two letters or more, in lower case, with one space between them."""
    return " ".join(word for word in re.findall("[a-z]+", page.lower()) if len(word) > 1)


def _classes(path: Path, rows: Sequence[csv_files.Row]) -> tuple[str, ...]:
    """Names of the classes, in the order of their numbers."""
    names: dict[int, str] = {}
    for number, row in enumerate(rows, start=1):
        label, name = _label(path, number, row), row["annotation"]
        if names.setdefault(label, name) != name:
            rule = f"the label {label} is {names[label]} and, in row {number}, {name}"
            raise _wrong(path, rule)
    absent = sorted(set(range(max(names) + 1)) - set(names))
    if absent or len(set(names.values())) < len(names):
        rule = f"no row has the label {absent[0]}" if absent else "two labels have one annotation"
        raise _wrong(path, rule)
    if len(names) < 2:
        raise _wrong(path, f"expected two classes or more, got {names[0]} alone")
    return tuple(names[label] for label in sorted(names))


def _label(path: Path, number: int, row: csv_files.Row) -> int:
    if Path(row["id"]).name != row["id"] or not row["id"]:
        raise _wrong(path, f"expected names of files as ids, got {row['id']!r} in row {number}")
    if not re.fullmatch("[0-9]{1,4}", row["label"]):
        rule = f"expected whole numbers from 0 as labels, got {row['label']!r} in row {number}"
        raise _wrong(path, rule)
    return int(row["label"])


def _examples(
    folder: Path,
    part: Literal["train", "test"],
    rows: Sequence[csv_files.Row],
    classes: Sequence[str],
) -> Examples:
    path = folder / f"{part}.csv"
    labels = [_label(path, number, row) for number, row in enumerate(rows, start=1)]
    for number, (label, row) in enumerate(zip(labels, rows, strict=True), start=1):
        if label >= len(classes) or classes[label] != row["annotation"]:
            rule = f"row {number} has the label {label} as {row['annotation']}, train.csv has not"
            raise _wrong(path, rule)
    images = [folder / "images" / part / row["annotation"] / row["id"] for row in rows]
    pages = [
        (folder / "texts_txt" / row["annotation"] / row["id"]).with_suffix(".txt") for row in rows
    ]
    return Examples(
        inputs={},
        lengths={},
        label=torch.tensor(labels),
        raw={
            "text": _texts(path, pages),
            "vision": Raw.of_files("image", images, place=str(path)),
        },
    )


def _texts(path: Path, pages: Sequence[Path]) -> Raw:
    check_there(pages, what="pages", place=str(path))
    # Whatever is no letter is left out anyway, broken characters among it.
    read = (page.read_text(encoding="utf-8", errors="replace") for page in pages)
    return Raw("text", tuple(map(cleaned, read)))


def _locate(folder: Path | None) -> Path:
    looked = places(folder, "food101", "UPMC-Food-101")
    if not looked:
        raise _absent(f"no folder is given, neither by --data nor by {VARIABLE}")
    missing = {place: [part for part in PARTS if not (place / part).exists()] for place in looked}
    # The folder that has most of it, so that the few parts that it lacks are named.
    best = min(looked, key=lambda place: len(missing[place]))
    if len(missing[best]) == len(PARTS):
        raise _absent(f"none of {', '.join(PARTS)} is in {', '.join(map(str, looked))}")
    if missing[best]:
        raise _absent(f"{best} has no {', '.join(missing[best])}")
    return best


def _absent(rule: str) -> DataError:
    return DataError(
        Problem(
            f"dataset {Food101.name!r}",
            rule,
            f"Its files ({', '.join(PARTS)}) are UPMC Food-101 (visiir.lip6.fr) and the tables of "
            "its rows that the code of UniS-MMC (Vincent-ZHQ/UniS-MMC on GitHub) and M3CoL reads; "
            "give their folder with --data, or a folder that has food101 in it with "
            f"{VARIABLE}.",
        )
    )


def _wrong(path: Path, rule: str) -> DataError:
    return DataError(Problem(str(path), rule, LAYOUT))


DATASET = Food101()
