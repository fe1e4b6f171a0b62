"""One split as named arrays: which are modalities, which is the target, and whether they fit.

Names and shapes, for N examples:

* `<modality>`: (N, D) one vector each, or (N, L, D) sequences padded at the end; numbers, finite.
* `<modality>_lengths`: (N,) how many steps are real, 1 to L; without it all are.
* `<modality>_present`: (N,) whether the example has the modality; only all true is read.
* `target`: (N,) floats to regress, or whole numbers from 0 that are classes.
* `classes`: the names of the classes, read from train; in parquet, `dataset.toml` gives them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from mmsearch.datasets.array_files import LENGTHS, read
from mmsearch.datasets.base import Examples
from mmsearch.errors import DataError, Problem

TARGET, CLASSES, PRESENT = "target", "classes", "_present"
LAYOUT = "See mmsearch/datasets/named_arrays.py for the names and shapes that are read."


@dataclass(frozen=True)
class NamedArrays:
    """What a file of one split holds, not yet checked."""

    place: str
    """The file, for messages."""
    arrays: dict[str, np.ndarray]
    numbers: Sequence[int] | None = None
    """What messages call the rows; without it they count from 0."""

    @classmethod
    def of(cls, path: Path, *, only: str | None = None) -> "NamedArrays":
        """Reads a file, or one name of it; raises DataError as `array_files.read` does."""
        return cls(str(path), read(path, only=only))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, in the order of the file."""
        return modalities_of(self.arrays)

    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes, if the file gives them."""
        if CLASSES not in self.arrays:
            return None
        names = self.arrays[CLASSES]
        if names.ndim != 1 or names.dtype.kind != "U" or not self.place.endswith(".npz"):
            raise self._wrong(CLASSES, f"expected a list of names, got {_told(names)}")
        return tuple(names.tolist())

    def examples(self, loss_family: str | None, *, at_least: int = 2) -> Examples:
        """All rows, checked.

        Args:
            loss_family: what the target is read as; None tells it by its type.
            at_least: how many modalities there must be.

        Raises:
            DataError: names, shapes or values are not as the module says.
        """
        label = self._target(loss_family)
        self._check_names(at_least)
        inputs = {name: self._features(name, len(label)) for name in self.modalities}
        lengths = {name: self._lengths(name, *value.shape[:2]) for name, value in inputs.items()}
        for name, value in inputs.items():
            self._check_present(name, len(label))
            value[np.arange(value.shape[1]) >= lengths[name][:, None]] = 0.0
        return Examples(
            inputs={name: torch.as_tensor(value) for name, value in inputs.items()},
            lengths={name: torch.as_tensor(value) for name, value in lengths.items()},
            label=torch.as_tensor(label),
        )

    def _target(self, loss_family: str | None) -> np.ndarray:
        if TARGET not in self.arrays:
            raise self._wrong(TARGET, f"is missing among {', '.join(self.arrays) or 'no arrays'}")
        target = self.arrays[TARGET]
        if target.ndim == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.ndim != 1 or target.dtype.kind not in "biuf":
            raise self._wrong(TARGET, f"expected one number a row, got {_told(target)}")
        if len(target) == 0:
            raise self._wrong(TARGET, "the split is empty")
        if (loss_family or kind_of(target)) == "regression":
            return self._floats(TARGET, target)
        if target.dtype.kind == "f":
            rule = f"a classification needs whole numbers, got {target.dtype}"
            raise self._wrong(TARGET, rule, "Save it as integers.")
        if target.min() < 0:
            raise self._wrong(TARGET, f"expected classes from 0, got {target.min()}")
        return target.astype(np.int64)

    def _check_names(self, at_least: int) -> None:
        taken = torch.nn.ModuleDict()
        names = self.modalities
        if len(names) < at_least:
            found = ", ".join(names) or "none"
            raise self._wrong("", f"expected two modalities or more, got {found}")
        for name in names:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
                rule = "a modality's name is letters, digits and _, and starts with a letter"
                raise self._wrong(name, rule)
            if hasattr(taken, name):
                raise self._wrong(name, "is a word that torch's modules keep for themselves")
        for name in self.arrays:
            of = name.removesuffix(LENGTHS).removesuffix(PRESENT)
            if of not in {*names, TARGET, CLASSES}:
                raise self._wrong(name, f"there is no modality {of!r}")

    def _features(self, name: str, rows: int) -> Float32[np.ndarray, "rows _steps _features"]:
        value = self.arrays[name]
        if value.dtype.kind not in "biuf" or value.ndim not in {2, 3} or 0 in value.shape:
            rule = "expected numbers as (rows, features) or (rows, steps, features), got "
            raise self._wrong(name, rule + _told(value))
        if len(value) != rows:
            raise self._wrong(name, f"has {len(value)} rows, the target has {rows}")
        sequences = value if value.ndim == 3 else np.expand_dims(value, axis=1)
        return self._floats(name, sequences)

    def _lengths(self, name: str, rows: int, steps: int) -> Int64[np.ndarray, " rows"]:
        key = f"{name}{LENGTHS}"
        if key not in self.arrays:
            return np.full(rows, steps, dtype=np.int64)
        lengths = self.arrays[key]
        if lengths.shape != (rows,) or lengths.dtype.kind not in "iu":
            raise self._wrong(key, f"expected {rows} whole numbers, got {_told(lengths)}")
        wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
        if len(wrong):
            rule = (
                f"expected 1 to {steps} steps, {self._row(int(wrong[0]))} has {lengths[wrong[0]]}"
            )
            raise self._wrong(key, rule, "An example without any step gets one step of zeros.")
        return lengths.astype(np.int64)

    def _check_present(self, name: str, rows: int) -> None:
        key = f"{name}{PRESENT}"
        if key not in self.arrays:
            return
        present = self.arrays[key]
        if present.shape != (rows,) or present.dtype.kind not in "biu":
            raise self._wrong(key, f"expected {rows} truth values, got {_told(present)}")
        if not present.all():
            absent = int((present == 0).sum())
            rule = f"{absent} of {rows} rows lack the modality, which no method can take yet"
            raise self._wrong(
                key, rule, "Leave the rows out, or fill them with zeros and leave the mask out."
            )

    def _floats(self, name: str, values: np.ndarray) -> np.ndarray:
        """A copy in float32, all of it finite."""
        with np.errstate(over="ignore"):
            copied = values.astype(np.float32)
        if not np.isfinite(copied).all():
            row = int(np.argwhere(~np.isfinite(copied))[0, 0])
            raise self._wrong(name, f"expected finite numbers, {self._row(row)} has others")
        return copied

    def _row(self, position: int) -> str:
        return f"row {position if self.numbers is None else self.numbers[position]}"

    def _wrong(self, key: str, rule: str, way_out: str = LAYOUT) -> DataError:
        return DataError(Problem(f"{self.place} {key}".rstrip(), rule, way_out))


def modalities_of(names: Iterable[str]) -> tuple[str, ...]:
    """Which of these names of arrays are modalities."""
    ends = (LENGTHS, PRESENT)
    return tuple(
        name for name in names if name not in {TARGET, CLASSES} and not name.endswith(ends)
    )


def kind_of(target: np.ndarray) -> str:
    """Loss family that a target's type tells: floats are regressed, whole numbers are classes."""
    return "regression" if target.dtype.kind == "f" else "classification"


def _told(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"
