"""Your own data: a folder of named arrays for train, valid and test, any modalities, any target.

The folder has `train.npz` and `test.npz`, and `valid.npz` or none, in which case about a fifth of
train is carved out for it (`carving`); each may be `.parquet` instead. `named_arrays` says which
arrays, `description` what a `dataset.toml` may add. Features are used as they are: scale them
yourself, by what train knows of them.

Unusual: a test split is asked for even though a search never opens it, so that one is put aside
before anything is tuned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from torch import Tensor

from mmsearch.datasets.array_files import SUFFIXES
from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.carving import carve
from mmsearch.datasets.described import Described
from mmsearch.datasets.description import FILE, Description, read
from mmsearch.datasets.named_arrays import CLASSES, LAYOUT, TARGET, NamedArrays
from mmsearch.datasets.task import Task
from mmsearch.errors import DataError, Problem

_SPLITS: tuple[SplitName, ...] = get_args(SplitName)


class Arrays(Dataset):
    """Whatever lies in the folder that is given."""

    name = "arrays"

    def check(self, folder: Path | None) -> None:
        """Raises DataError naming the files that are not there."""
        _locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; the file of test is opened for test alone."""
        found = _Folder.of(_locate(folder))
        parts = found.seen()
        described = found.described(parts["train"].label)
        if "test" in splits:
            parts["test"] = found.part("test", described.loss_family)
        described.check(parts)
        return {split: parts[split] for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """What the target's type and `dataset.toml` say."""
        return _Folder.of(_locate(folder)).described(train.label).task(train)


@dataclass(frozen=True)
class _Folder:
    """A folder whose files are there, and what it says of itself."""

    path: Path
    files: Mapping[SplitName, Path]
    """By split; valid only where it has a file."""
    description: Description
    names: tuple[str, ...] | None
    """Of the classes, if the train file gives them."""

    @classmethod
    def of(cls, path: Path) -> "_Folder":
        files = _files(path)
        names = NamedArrays.of(files["train"], only=CLASSES).classes()
        return cls(path, files, read(Description, path), names)

    def part(self, split: SplitName, family: str | None) -> Examples:
        return NamedArrays.of(self.files[split]).examples(family)

    def seen(self) -> dict[SplitName, Examples]:
        """Train and valid, carved out of train where it has no file."""
        train = self.part("train", self.description.loss)
        place, numbers = str(self.files["train"]), train.label.is_floating_point()
        if not numbers and int(train.label.max()) >= len(train.label):
            most = f"got {int(train.label.max())} in {len(train.label)} rows"
            rule = f"expected classes from 0 without gaps, {most}; numbers to regress are floats"
            raise DataError(Problem(f"{place} {TARGET}", rule, LAYOUT))
        if "valid" not in self.files:
            return carve(train, place=place)
        family = "regression" if numbers else "classification"
        return {"train": train, "valid": self.part("valid", family)}

    def described(self, label: Tensor) -> Described:
        """What the labels of train and the description say together.

        Raises:
            DataError: the names of classes, or the numbers of them, do not go with the labels.
        """
        places: dict[SplitName, str] = {split: str(path) for split, path in self.files.items()}
        places.setdefault("valid", f"{self.files['train']}, rows carved out for valid")
        return Described(
            description=self.description,
            file=self.path / FILE,
            classes=self._classes(label),
            places=places,
            layout=LAYOUT,
        )

    def _classes(self, label: Tensor) -> tuple[str, ...]:
        """Names of the classes in the order of their numbers; none for a regression."""
        train, said = str(self.files["train"]), self.description.classes
        if self.names and said:
            rule = f"{train} has names of classes too"
            raise DataError(Problem(f"{self.path / FILE} classes", rule, "Give them once."))
        if label.is_floating_point():
            if self.names:
                rule = "has no effect on a regression"
                raise DataError(Problem(f"{train} {CLASSES}", rule, "Leave it out."))
            return ()
        return self.names or tuple(said or map(str, range(int(label.max()) + 1)))


def _files(folder: Path) -> dict[SplitName, Path]:
    """The files that are there.

    Raises:
        DataError: a split has two.
    """
    files: dict[SplitName, Path] = {}
    for split in _SPLITS:
        found = [path for suffix in SUFFIXES if (path := folder / f"{split}{suffix}").is_file()]
        if len(found) > 1:
            told = " and ".join(path.name for path in found)
            raise DataError(Problem(str(folder), f"has {told}", "Keep one of them."))
        if found:
            files[split] = found[0]
    return files


def _locate(folder: Path | None) -> Path:
    looked = places(folder, Arrays.name)
    if not looked:
        raise _absent(f"no folder is given, neither by --data nor by {VARIABLE}")
    found = {place: _files(place) for place in looked}
    best = max(looked, key=lambda place: len(found[place]))
    if not found[best]:
        raise _absent(f"neither train.npz nor train.parquet is in {', '.join(map(str, looked))}")
    missing = [split for split in _SPLITS if split not in {"valid", *found[best]}]
    if missing:
        named = ", ".join(f"{split}.npz or {split}.parquet" for split in missing)
        raise _absent(f"{best} has no {named}")
    return best


def _absent(rule: str) -> DataError:
    return DataError(
        Problem(
            f"dataset {Arrays.name!r}",
            rule,
            "It is your own data: write train.npz and test.npz, and valid.npz if you have one, as "
            "mmsearch/datasets/arrays.py says, and give their folder with --data or as the folder "
            f"{Arrays.name} in {VARIABLE}.",
        )
    )


DATASET = Arrays()
