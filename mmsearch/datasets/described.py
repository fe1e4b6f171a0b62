"""What a target and a `dataset.toml` say together: classes, bound, metrics, and the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

from torch import Tensor

from mmsearch.datasets.base import Examples, SplitName
from mmsearch.datasets.description import Description
from mmsearch.datasets.labels import absent_classes, class_balance, spread
from mmsearch.datasets.task import TargetTransform, Task
from mmsearch.errors import DataError, Problem


@dataclass(frozen=True)
class Described:
    """A dataset whose meaning is in its target's type and in a description."""

    description: Description
    file: Path
    """Where the description is or would be, for messages."""
    classes: tuple[str, ...]
    """Their names, in the order of their numbers; none for a regression."""
    places: Mapping[SplitName, str]
    """Where the rows of each split are from, for messages."""
    layout: str
    """Where it is written what is read: the way out of messages."""

    @property
    def loss_family(self) -> Literal["regression", "classification"]:
        """What the target is learned as."""
        return "classification" if self.classes else "regression"

    @property
    def transform(self) -> TargetTransform:
        """From original units to model units."""
        center, scale = self.description.center, self.description.scale
        return TargetTransform(center or 0.0, scale or 1.0)

    def task(self, train: Examples) -> Task:
        """What is predicted; the splits must have been checked."""
        said, classes = self.description, self.classes
        target = self.transform.encode(train.label)
        return Task(
            dataset=said.name,
            modalities=train.modalities,
            loss_family=self.loss_family,
            transform=self.transform,
            bound=0.0 if classes else said.bound or float(target.abs().max()),
            metrics=said.family(self.loss_family, len(classes)),
            train_target=target,
            balance=class_balance(train.label, classes) if classes else spread(train.label),
            classes=classes,
        )

    def check(self, parts: Mapping[SplitName, Examples]) -> None:
        """Whether splits, labels and description go together.

        Raises:
            DataError: they do not; all that is wrong with the description is told at once.
        """
        said = self.description
        misfits = said.misfits(self.loss_family, len(self.classes), place=str(self.file))
        if problems := [*misfits]:
            raise DataError(problems)
        for split, part in parts.items():
            self._check_modalities(split, part, parts["train"])
            if self.classes:
                self._check_classes(split, part.label, self.classes)
            else:
                self._check_bound(split, part.label)

    def wrong(self, split: SplitName, rule: str) -> DataError:
        """An error in the rows of a split."""
        return DataError(Problem(self.places[split], rule, self.layout))

    def _check_modalities(self, split: SplitName, part: Examples, train: Examples) -> None:
        if part.modalities != train.modalities:
            theirs, ours = (
                ", ".join(f"{name} {size}" for name, size in of.modalities.items())
                for of in (part, train)
            )
            raise self.wrong(split, f"has the modalities {theirs}, train has {ours}")

    def _check_classes(self, split: SplitName, label: Tensor, classes: Sequence[str]) -> None:
        if int(label.max()) >= len(classes):
            rule = f"target: expected classes from 0 to {len(classes) - 1}, got {int(label.max())}"
            raise self.wrong(split, rule)
        if split != "train":
            return
        absent = absent_classes(label, classes)
        if absent or len(classes) < 2:
            missing = f"no row has the class {absent}" if absent else "there is one class"
            raise self.wrong(split, f"target: {missing}")

    def _check_bound(self, split: SplitName, label: Tensor) -> None:
        if split == "train" and bool(label.min() == label.max()):
            raise self.wrong(split, f"target: every row has {float(label[0]):g}")
        bound = self.description.bound
        largest = float(self.transform.encode(label).abs().max())
        if not isfinite(largest):
            rule = f"target: expected finite numbers once centred and scaled, got {largest:g}"
            raise self.wrong(split, rule)
        # Targets are float32, the bound is not.
        if bound is not None and largest > bound * (1 + 1e-6):
            rule = f"target: expected up to {bound:g} once centred and scaled, got {largest:g}"
            raise self.wrong(split, rule)
