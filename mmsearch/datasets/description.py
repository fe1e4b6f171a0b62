"""What `dataset.toml` may say of a folder of named arrays; every key of it may be left out."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmsearch import metrics
from mmsearch.errors import DataError, Problem, closest
from mmsearch.study.mistakes import problems_of

FILE = "dataset.toml"


class Description(BaseModel):
    """How the arrays are meant, where they do not say it themselves."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    name: str = Field(default="arrays", min_length=1)
    """What messages call the dataset."""
    loss: Literal["regression", "classification"] | None = None
    """What is learned; without it floats are regressed and whole numbers are classes."""
    metrics: str | None = None
    """Family of metrics; without it `regression`, `binary` (two classes) or `multiclass`."""
    classes: list[str] | None = Field(default=None, min_length=2)
    """Names of the classes, two or more; without it their numbers."""
    bound: float | None = Field(default=None, gt=0)
    """Largest |(target - center) / scale| that a label can take; without it that of train."""
    center: float | None = None
    """Taken off every target before learning; without it 0."""
    scale: float | None = Field(default=None, gt=0)
    """Every target is divided by it before learning; without it 1."""

    def family(self, loss_family: str, outputs: int) -> str:
        """Family of metrics: the one that is said, or what goes with the target."""
        if self.metrics:
            return self.metrics
        if loss_family == "regression":
            return "regression"
        return "binary" if outputs == 2 else "multiclass"

    def misfits(self, loss_family: str, outputs: int, *, place: str) -> Iterator[Problem]:
        """What does not go with the target.

        Args:
            loss_family: of the target, as it is read.
            outputs: number of classes, or 1.
            place: the file, for messages.
        """
        of_others = {
            "regression": ("classes",),
            "classification": ("bound", "center", "scale"),
        }[loss_family]
        for key in of_others:
            if getattr(self, key) is not None:
                rule = f"has no effect on a {loss_family}, got {getattr(self, key)}"
                yield Problem(f"{place} {key}", rule, "Leave it out.")
        if self.classes and len(set(self.classes)) < len(self.classes):
            rule = f"names must differ, got {self.classes}"
            yield Problem(f"{place} classes", rule, "Give every class a name of its own.")
        if self.metrics:
            yield from self._metric_misfits(loss_family, outputs, place=f"{place} metrics")

    def _metric_misfits(self, loss_family: str, outputs: int, *, place: str) -> Iterator[Problem]:
        asked = self.metrics or ""
        fitting = [
            name
            for name, family in metrics.FAMILIES.items()
            if family.loss_family == loss_family and family.classes in {None, outputs}
        ]
        if asked not in metrics.FAMILIES:
            yield Problem(place, f"no family is called {asked!r}", closest(asked, fitting))
        elif asked not in fitting:
            told = f"a {loss_family}" + (f" with {outputs} classes" if outputs > 1 else "")
            rule = f"{asked!r} does not measure {told}"
            yield Problem(place, rule, f"These do: {', '.join(fitting)}.")


Schema = TypeVar("Schema", bound=Description)


def read(schema: type[Schema], folder: Path) -> Schema:
    """What the folder's `dataset.toml` says; all left out if there is none.

    Raises:
        DataError: with every mistake in it.
    """
    path = folder / FILE
    if not path.is_file():
        return schema()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return schema.model_validate(document)
    except ValidationError as error:
        raise DataError(
            problems_of(error, schema, locate=lambda keys: f"{path} {'.'.join(keys)}")
        ) from error
    except (ValueError, RecursionError) as error:
        way_out = "Write key = value lines in UTF-8."
        raise DataError(Problem(str(path), f"is not TOML ({error})", way_out)) from error
