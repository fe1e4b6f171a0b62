"""Your own data as a table: raw texts, images and sounds, and features beside them, by a file.

A folder has `dataset.toml`, which says where all else is:

    file   = "products.csv"    # csv or tsv with a header, one row an example
    split  = "split"           # column: train, valid (or val, dev), test
    target = "category"        # column: a class by its name, or a number
    loss   = "classification"  # or "regression"; may be left out for classes

    [columns]                  # raw modalities, read by a backbone
    text   = "description"
    vision = { files = "images/{image_id}.jpg" }
    audio  = { files = "sounds/{image_id}.wav" }

    [arrays]                   # features: npy of (rows, features) or (rows, steps, features)
    audio         = "audio.npy"
    audio_lengths = "audio_lengths.npy"

`table_description` has every key. There are two modalities or more; one may be raw and have
features too. Names of files count from the folder or are absolute, so that the folder may hold
nothing but `dataset.toml`. Features are used as they are: scale them yourself, by what train knows
of them. Without valid rows about a fifth of train is carved out for them (`carving`). Classes are
sorted by name, or by size where all are whole numbers. A text may be empty, a target may not.

Unusual: rows of test are dropped as soon as they are told from others, and their files need not be
there until test is read; but there must be some, so that they are put aside before anything is
tuned.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from mmsearch.datasets import csv_files
from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.carving import carve
from mmsearch.datasets.described import Described
from mmsearch.datasets.description import FILE, read
from mmsearch.datasets.named_arrays import TARGET, NamedArrays
from mmsearch.datasets.raw import MODALITIES, Kind, Raw
from mmsearch.datasets.table_description import Files, TableDescription
from mmsearch.datasets.task import Task
from mmsearch.errors import DataError, Problem, closest, reason_of

SPLITS: Mapping[str, SplitName] = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
"""By what the column of splits may say, in any case of letters."""
SEEN: tuple[SplitName, ...] = ("train", "valid")
NEEDED: Mapping[SplitName, str] = {
    "train": "Say train for the rows to learn from.",
    "test": "Put rows aside for the end, before anything is tuned.",
}
LAYOUT = "See mmsearch/datasets/table.py for the layout that is read."


class Table(Dataset):
    """Whatever `dataset.toml` in the folder that is given describes."""

    name = "table"

    def check(self, folder: Path | None) -> None:
        """Raises DataError naming the files that are not there; reads `dataset.toml` alone."""
        _Folder.of(_locate(folder))

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; of test nothing is kept unless it is among them."""
        table = _Table.of(_Folder.of(_locate(folder)), splits)
        parts: dict[SplitName, Examples] = {split: table.examples(split) for split in table.rows}
        if "valid" not in parts:
            parts |= carve(parts["train"], place=table.place("train"))
        table.described.check(parts)
        return {split: parts[split] for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """What the column of the target and `dataset.toml` say."""
        return _Table.of(_Folder.of(_locate(folder)), SEEN).described.task(train)


@dataclass(frozen=True)
class _Folder:
    """A folder whose files are there, and what it says of them."""

    path: Path
    description: TableDescription

    @classmethod
    def of(cls, path: Path) -> "_Folder":
        found = cls(path, read(TableDescription, path))
        names = found.description.modalities
        if len(names) < 2:
            rule = f"expected two modalities or more, got {', '.join(names) or 'none'}"
            way_out = "Say them under [columns] and [arrays]."
            raise DataError(Problem(str(path / FILE), rule, way_out))
        said = {"file": found.table}
        said |= {f"arrays.{name}": found.array(name) for name in found.description.arrays}
        way_out = "Names count from the folder of dataset.toml, or are absolute."
        missing = [
            Problem(f"{path / FILE} {key}", f"there is no file {file}", way_out)
            for key, file in said.items()
            if not file.is_file()
        ]
        if missing:
            raise DataError(missing)
        return found

    @property
    def table(self) -> Path:
        return self.path / self.description.file

    def array(self, name: str) -> Path:
        return self.path / self.description.arrays[name]


@dataclass(frozen=True)
class _Table:
    """The rows of some splits, and what there is to say of all."""

    folder: _Folder
    num_rows: int
    """Of the file, whatever their split."""
    positions: Mapping[SplitName, Sequence[int]]
    """Of the rows in the file, by split."""
    rows: Mapping[SplitName, Sequence[csv_files.Row]]
    """Of the splits that are asked for, and of train and valid; valid only where it has some."""

    @classmethod
    def of(cls, folder: _Folder, splits: Sequence[SplitName]) -> "_Table":
        said = folder.description
        columns = [said.split, said.target, *said.columns.names()]
        rows = csv_files.read(folder.table, columns=columns)
        positions: dict[SplitName, list[int]] = {split: [] for split in get_args(SplitName)}
        for position, row in enumerate(rows):
            positions[_split(folder.table, position, row[said.split])].append(position)
        for split, way_out in NEEDED.items():
            if not positions[split]:
                rule = f"no row has the split {split}"
                raise DataError(Problem(f"{folder.table} {said.split}", rule, way_out))
        kept: dict[SplitName, list[csv_files.Row]] = {
            split: [rows[position] for position in found]
            for split, found in positions.items()
            if found and split in {*SEEN, *splits}
        }
        return cls(folder, len(rows), positions, kept)

    @property
    def described(self) -> Described:
        """What the target and the description say together."""
        return Described(
            description=self.folder.description,
            file=self.folder.path / FILE,
            classes=self._classes(),
            places={split: self.place(split) for split in self.positions},
            layout=LAYOUT,
        )

    def place(self, split: SplitName) -> str:
        """Where the rows of a split are from, for messages."""
        carved = "carved out for" if split not in self.rows else "of"
        return f"{self.folder.table}, rows {carved} {split}"

    def examples(self, split: SplitName) -> Examples:
        """All rows of a split, checked."""
        label = self._label(split)
        where = f"{self.folder.path / FILE} arrays"
        arrays = {
            **{name: self._array(name, split) for name in self.folder.description.arrays},
            TARGET: label.numpy(),
        }
        numbers = [position + 1 for position in self.positions[split]]
        named = NamedArrays(where, arrays, numbers)
        return replace(named.examples(None, at_least=0), raw=self._raw(split))

    def _target(self, split: SplitName) -> list[str]:
        """What the rows say, none of them nothing."""
        column = self.folder.description.target
        found = [row[column].strip() for row in self.rows[split]]
        if "" in found:
            raise self._wrong(split, found.index(""), "the target is empty")
        return found

    def _classes(self) -> tuple[str, ...]:
        said = self.folder.description
        if said.loss == "regression":
            return ()
        found = set(self._target("train"))
        if said.loss is None and all(map(_is_number, found)) and not all(map(_is_whole, found)):
            rule = f"column {said.target!r} holds numbers such as {min(found)}"
            way_out = 'Say loss = "regression", or loss = "classification" if they are names.'
            raise DataError(Problem(f"{self.folder.path / FILE} target", rule, way_out))
        if said.classes is None and len(found) == len(self.rows["train"]):
            rule = f"column {said.target!r} has another value in every row of train"
            way_out = 'Name the column of the classes, or say loss = "regression".'
            raise DataError(Problem(f"{self.folder.path / FILE} target", rule, way_out))
        by_size = all(map(_is_whole, found))
        return tuple(said.classes or sorted(found, key=int if by_size else str))

    def _label(self, split: SplitName) -> Tensor:
        target, classes = self._target(split), self._classes()
        known = {name: number for number, name in enumerate(classes)}
        for place, value in enumerate(target):
            if not classes and not _is_number(value):
                raise self._wrong(split, place, f"expected a finite number, got {value!r}")
            if classes and value not in known:
                rule = f"expected one of the classes, got {value!r}"
                raise self._wrong(split, place, rule, closest(value, classes))
        if classes:
            return torch.tensor([known[value] for value in target])
        return torch.tensor([float(value) for value in target], dtype=torch.float32)

    def _array(self, name: str, split: SplitName) -> np.ndarray:
        """Rows of one file of features; the others stay on the disk."""
        path = self.folder.array(name)
        try:
            stored = np.lib.format.open_memmap(path, mode="r")
            found = len(stored)
        except Exception as error:
            rule = f"cannot be read as an array ({reason_of(error)})"
            way_out = "Write it with numpy.save, of numbers alone."
            raise DataError(Problem(str(path), rule, way_out)) from error
        if found != self.num_rows:
            rule = f"has {found} rows, {self.folder.table.name} has {self.num_rows}"
            raise DataError(Problem(str(path), rule, "Save a row for every row of the table."))
        return np.array(stored[list(self.positions[split])])

    def _raw(self, split: SplitName) -> dict[str, Raw]:
        said = self.folder.description.columns
        raw: dict[str, Raw] = {}
        if said.text is not None:
            raw["text"] = Raw("text", tuple(row[said.text] for row in self.rows[split]))
        if said.vision is not None:
            raw["vision"] = self._files("image", said.vision, split)
        if said.audio is not None:
            raw["audio"] = self._files("sound", said.audio, split)
        return raw

    def _files(self, kind: Kind, files: Files, split: SplitName) -> Raw:
        folder = self.folder.path
        paths = [folder / files.of(row) for row in self.rows[split]]
        return Raw.of_files(kind, paths, place=f"{folder / FILE} columns.{MODALITIES[kind]}")

    def _wrong(self, split: SplitName, place: int, rule: str, way_out: str = LAYOUT) -> DataError:
        column = self.folder.description.target
        row = self.positions[split][place] + 1
        return DataError(Problem(f"{self.folder.table} {column}, row {row}", rule, way_out))


def _split(path: Path, position: int, said: str) -> SplitName:
    split = SPLITS.get(said.strip().lower())
    if split is None:
        place = f"{path}, row {position + 1}"
        way_out = closest(said, tuple(SPLITS)) + " Leave rows of none out."
        raise DataError(Problem(place, f"expected a split, got {said!r}", way_out))
    return split


def _is_whole(text: str) -> bool:
    return re.fullmatch("[+-]?[0-9]{1,18}", text) is not None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _locate(folder: Path | None) -> Path:
    looked = places(folder, Table.name)
    if not looked:
        raise _absent(f"no folder is given, neither by --data nor by {VARIABLE}")
    found = next((place for place in looked if (place / FILE).is_file()), None)
    if found is None:
        raise _absent(f"no {FILE} is in {', '.join(map(str, looked))}")
    return found


def _absent(rule: str) -> DataError:
    return DataError(
        Problem(
            f"dataset {Table.name!r}",
            rule,
            f"It is your own data: write {FILE} as mmsearch/datasets/table.py says, and give its "
            f"folder with --data or as the folder {Table.name} in {VARIABLE}.",
        )
    )


DATASET = Table()
