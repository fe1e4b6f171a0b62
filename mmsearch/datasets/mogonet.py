"""Reads the csv folders of the MOGONET project: three views of omics per patient, and a class.

A folder has `1_tr.csv`, `2_tr.csv` and `3_tr.csv` (mRNA expression, DNA methylation, miRNA
expression; comma-separated numbers, one row a patient, no header), `labels_tr.csv` (one class a
row), the same with `te` for test, and, if at all, `1_featname.csv` and so on (one name a feature).

Unusual: there are no valid rows; about a fifth of train is carved out for them (`carving`), so
train has fewer rows than in papers. Features are scaled by what the rest of train knows
(`scaling`), as M3CoL does; MOGONET itself takes them as they are. Sizes come from the files.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.carving import valid_rows
from mmsearch.datasets.labels import absent_classes, classification
from mmsearch.datasets.scaling import MinMax
from mmsearch.datasets.task import Task
from mmsearch.errors import DataError, Problem

VIEWS = {"mrna": 1, "methylation": 2, "mirna": 3}
"""Number in the names of the files, by modality."""
FILES = tuple(
    name
    for part in ("tr", "te")
    for name in (*(f"{number}_{part}.csv" for number in VIEWS.values()), f"labels_{part}.csv")
)
LARGEST = 1e38
LAYOUT = "See mmsearch/datasets/mogonet.py for the layout that is read."


@dataclass(frozen=True)
class Mogonet(Dataset):
    """One of the datasets in this layout."""

    name: str
    metrics: str
    classes: tuple[str, ...]

    def check(self, folder: Path | None) -> None:
        """Raises DataError naming the files that are not there."""
        self._locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits, scaled by train; the test files are opened for test alone."""
        found = self._locate(folder)
        seen = self._part(found, "tr")
        self._check_train(found, seen)
        valid = valid_rows(torch.as_tensor(seen.label), place=str(found / "labels_tr.csv")).numpy()
        parts: dict[SplitName, _Part] = {"train": seen.take(~valid), "valid": seen.take(valid)}
        if "test" in splits:
            parts["test"] = self._part(found, "te")
            _check_same_widths(found, seen, parts["test"])
        scalings = {view: MinMax.fit(values) for view, values in parts["train"].views.items()}
        return {split: parts[split].examples(scalings) for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Classification of the patient."""
        return classification(self.name, train, self.classes, metrics=self.metrics)

    def _part(self, folder: Path, part: str) -> "_Part":
        label = _labels(folder / f"labels_{part}.csv", self.classes)
        views = {
            view: _view(folder / f"{number}_{part}.csv", rows=len(label))
            for view, number in VIEWS.items()
        }
        return _Part(views, label)

    def _check_train(self, folder: Path, seen: "_Part") -> None:
        """Whether each view has its names, where there are any, and each class a row."""
        for view, number in VIEWS.items():
            _check_names(folder / f"{number}_featname.csv", columns=seen.views[view].shape[1])
        if absent := absent_classes(torch.as_tensor(seen.label), self.classes):
            rule = f"no row has the class {absent} of {self.name}"
            raise _wrong(folder / "labels_tr.csv", rule)

    def _locate(self, folder: Path | None) -> Path:
        looked = places(folder, self.name, self.name.upper())
        if not looked:
            raise self._absent(f"no folder is given, neither by --data nor by {VARIABLE}")
        missing = {place: _missing(place) for place in looked}
        # The folder that has most of them, so that the few that it lacks are named.
        best = min(looked, key=lambda place: len(missing[place]))
        if len(missing[best]) == len(FILES):
            raise self._absent(f"none of its files is in {', '.join(map(str, looked))}")
        if missing[best]:
            raise self._absent(f"{best} has no {', '.join(missing[best])}")
        return best

    def _absent(self, rule: str) -> DataError:
        return DataError(
            Problem(
                f"dataset {self.name!r}",
                rule,
                f"Its files ({', '.join(FILES)}) come from the MOGONET project (txWang/MOGONET "
                f"on GitHub, folder {self.name.upper()}); give their folder with --data, or a "
                f"folder that has {self.name} in it with {VARIABLE}. "
                "Or --set dataset=mfeat runs the same study on the data bundled with mmsearch.",
            )
        )


@dataclass(frozen=True)
class _Part:
    """Rows as they are in the files."""

    views: Mapping[str, Float64[np.ndarray, "rows _features"]]
    label: Int64[np.ndarray, " rows"]

    def take(self, mask: np.ndarray) -> "_Part":
        views = {view: values[mask] for view, values in self.views.items()}
        return _Part(views, self.label[mask])

    def examples(self, scalings: Mapping[str, MinMax]) -> Examples:
        views = {view: scalings[view].apply(values) for view, values in self.views.items()}
        return Examples.of_vectors(views, label=torch.as_tensor(self.label))


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if not (folder / name).is_file()]


def _view(path: Path, *, rows: int) -> Float64[np.ndarray, "rows _features"]:
    values = _numbers(path)
    if len(values) != rows:
        raise _wrong(path, f"has {len(values)} rows, the labels have {rows}")
    return values


def _labels(path: Path, classes: Sequence[str]) -> Int64[np.ndarray, " rows"]:
    values = _numbers(path)
    if values.shape[1] != 1:
        raise _wrong(path, f"expected one label a row, got {values.shape[1]}")
    number = values[:, 0]
    wrong = np.flatnonzero((number != np.rint(number)) | (number < 0) | (number >= len(classes)))
    if len(wrong):
        row = int(wrong[0])
        rule = f"expected whole numbers from 0 to {len(classes) - 1}, got {values[row, 0]:g}"
        raise _wrong(path, f"{rule} in row {row + 1}")
    return number.astype(np.int64)


def _numbers(path: Path) -> Float64[np.ndarray, "rows columns"]:
    """What a csv file of numbers holds, all of it finite."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input contained no data")
            values = np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8")
    except ValueError as error:
        rule = f"is not a table of numbers without a header ({str(error).rstrip('.')})"
        raise _wrong(path, rule) from error
    if values.size == 0:
        raise _wrong(path, "is empty, got no number")
    # Scaling takes differences, and methods take float32.
    wrong = np.argwhere(~(np.abs(values) <= LARGEST))
    if len(wrong):
        row, column = wrong[0]
        rule = f"expected finite numbers up to {LARGEST:g}, got {values[row, column]:g}"
        raise _wrong(path, f"{rule} in row {row + 1} column {column + 1}")
    return values


def _check_names(path: Path, *, columns: int) -> None:
    """Where names of features are given, they show whether the files belong together."""
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    names = sum(1 for line in text.splitlines() if line.strip())
    if names != columns:
        raise _wrong(path, f"has {names} names, the files of the view have {columns} features")


def _check_same_widths(folder: Path, seen: _Part, test: _Part) -> None:
    for view, number in VIEWS.items():
        ours, theirs = seen.views[view].shape[1], test.views[view].shape[1]
        if ours != theirs:
            rule = f"has {theirs} features, {number}_tr.csv has {ours}"
            raise _wrong(folder / f"{number}_te.csv", rule)


def _wrong(path: Path, rule: str) -> DataError:
    return DataError(Problem(str(path), rule, LAYOUT))
