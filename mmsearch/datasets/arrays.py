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
from typing import Literal, get_args

import torch
from torch import Tensor

from mmsearch.datasets.array_files import SUFFIXES
from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.carving import valid_rows
from mmsearch.datasets.description import FILE, Description
from mmsearch.datasets.labels import class_balance
from mmsearch.datasets.named_arrays import CLASSES, LAYOUT, NamedArrays
from mmsearch.datasets.task import TargetTransform, Task
from mmsearch.errors import DataError, Problem


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
        if "test" in splits:
            parts["test"] = found.part("test", _loss_family(parts["train"].label))
        found.check(parts)
        return {split: parts[split] for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """What the target's type and `dataset.toml` say."""
        found = _Folder.of(_locate(folder))
        family = _loss_family(train.label)
        classes = found.classes(train.label)
        transform, said = found.transform, found.description
        target = transform.encode(train.label)
        return Task(
            dataset=said.name,
            modalities={name: value.shape[2] for name, value in train.inputs.items()},
            loss_family=family,
            transform=transform,
            bound=0.0 if classes else said.bound or float(target.abs().max()),
            metrics=said.family(family, len(classes)),
            train_target=target,
            balance=class_balance(train.label, classes) if classes else _spread(train.label),
            classes=classes,
        )


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
        return cls(path, files, Description.of(path), names)

    @property
    def transform(self) -> TargetTransform:
        center, scale = self.description.center, self.description.scale
        return TargetTransform(center or 0.0, scale or 1.0)

    def part(self, split: SplitName, family: str | None) -> Examples:
        return NamedArrays.of(self.files[split]).examples(family)

    def seen(self) -> dict[SplitName, Examples]:
        """Train and valid, carved out of train where it has no file."""
        train = self.part("train", self.description.loss)
        label = train.label
        if not label.is_floating_point() and int(label.max()) >= len(label):
            rule = f"target: expected classes from 0 without gaps, got {int(label.max())}"
            raise self._wrong(
                "train", f"{rule} in {len(label)} rows; numbers to regress are floats"
            )
        if "valid" in self.files:
            return {"train": train, "valid": self.part("valid", _loss_family(label))}
        valid = valid_rows(label, place=str(self.files["train"]))
        return {
            "train": train.take(torch.nonzero(~valid)[:, 0]),
            "valid": train.take(torch.nonzero(valid)[:, 0]),
        }

    def classes(self, label: Tensor) -> tuple[str, ...]:
        """Names of the classes in the order of their numbers; none for a regression."""
        if label.is_floating_point():
            return ()
        said = self.description.classes
        return self.names or (tuple(said) if said else tuple(map(str, range(int(label.max()) + 1))))

    def check(self, parts: Mapping[SplitName, Examples]) -> None:
        """Whether splits, labels and description go together.

        Raises:
            DataError: they do not; all that is wrong with the description is told at once.
        """
        label = parts["train"].label
        classes = self.classes(label)
        self._check_description(_loss_family(label), classes)
        for split, part in parts.items():
            self._check_modalities(split, part, parts["train"])
            if classes:
                self._check_classes(split, part.label, classes)
            else:
                self._check_bound(split, part.label)

    def _check_description(self, family: str, classes: Sequence[str]) -> None:
        place = self.path / FILE
        problems = [*self.description.misfits(family, len(classes), place=str(place))]
        if self.names and self.description.classes:
            rule = f"{self.files['train']} has names of classes too"
            problems.append(Problem(f"{place} classes", rule, "Give them once."))
        elif self.names and not classes:
            place = f"{self.files['train']} {CLASSES}"
            problems.append(Problem(place, f"has no effect on a {family}", "Leave it out."))
        if problems:
            raise DataError(problems)

    def _check_modalities(self, split: SplitName, part: Examples, train: Examples) -> None:
        ours, theirs = (
            {name: value.shape[2] for name, value in of.inputs.items()} for of in (train, part)
        )
        if ours != theirs:
            told = [
                ", ".join(f"{name} {size}" for name, size in of.items()) for of in (theirs, ours)
            ]
            raise self._wrong(split, f"has the modalities {told[0]}, train has {told[1]}")

    def _check_classes(self, split: SplitName, label: Tensor, classes: Sequence[str]) -> None:
        if int(label.max()) >= len(classes):
            rule = f"target: expected classes from 0 to {len(classes) - 1}, got {int(label.max())}"
            raise self._wrong(split, rule)
        if split != "train":
            return
        rare = [f"{name} ({k})" for k, name in enumerate(classes) if not bool((label == k).any())]
        if rare or len(classes) < 2:
            missing = f"no row has the class {', '.join(rare)}" if rare else "there is one class"
            raise self._wrong(split, f"target: {missing}")

    def _check_bound(self, split: SplitName, label: Tensor) -> None:
        if split == "train" and bool(label.min() == label.max()):
            raise self._wrong(split, f"target: every row has {float(label[0]):g}")
        bound = self.description.bound
        largest = float(self.transform.encode(label).abs().max())
        # Targets are float32, the bound is not.
        if bound is not None and largest > bound * (1 + 1e-6):
            rule = f"target: expected up to {bound:g} once centred and scaled, got {largest:g}"
            raise self._wrong(split, rule)

    def _wrong(self, split: SplitName, rule: str) -> DataError:
        own = self.files.get(split)
        place = str(own) if own else f"{self.files['train']}, rows carved out for {split}"
        return DataError(Problem(place, rule, LAYOUT))


def _loss_family(label: Tensor) -> Literal["regression", "classification"]:
    """What a target is learned as, told by its type."""
    return "regression" if label.is_floating_point() else "classification"


def _files(folder: Path) -> dict[SplitName, Path]:
    """The files that are there.

    Raises:
        DataError: a split has two.
    """
    files: dict[SplitName, Path] = {}
    for split in get_args(SplitName):
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
    missing = [split for split in get_args(SplitName) if split not in {"valid", *found[best]}]
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


def _spread(label: Tensor) -> str:
    """How train targets spread, and how wrong a constant answer is."""
    median = float(label.median())
    error = float((label - median).abs().mean())
    return (
        f"{len(label)} train targets from {float(label.min()):g} to {float(label.max()):g}: "
        f"answering always {median:g} has mae {error:.4g}"
    )


DATASET = Arrays()
