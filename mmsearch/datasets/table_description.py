"""What the `dataset.toml` of a table says: its columns, its files, and what every description may.

Unusual: `{column}` in the name of a file is filled in from the row and nothing else; it is no
format string of Python's, which could reach into objects.
"""

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mmsearch.datasets.csv_files import DELIMITERS
from mmsearch.datasets.description import Description
from mmsearch.datasets.named_arrays import CLASSES, TARGET, modalities_of


class Files(BaseModel):
    """Files of images or sounds, one a row."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    files: str = Field(examples=["images/{id}.jpg"])
    """Name of a row's file, with {column} where the row's value goes; from the folder of
    dataset.toml, or absolute."""

    @field_validator("files")
    @classmethod
    def _names_a_column(cls, files: str) -> str:
        # Formatter raises ValueError where a brace is alone.
        fields = [part[1:] for part in Formatter().parse(files) if part[1] is not None]
        if not fields:
            raise ValueError("must name a column in braces, or every row has the same file")
        if any(not name or spec or conversion for name, spec, conversion in fields):
            raise ValueError("must have names of columns in braces, and nothing else in them")
        return files

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [name for _, name, _, _ in Formatter().parse(self.files) if name is not None]

    def of(self, row: Mapping[str, str]) -> str:
        """The name of a row's file."""
        parts = Formatter().parse(self.files)
        return "".join(text + ("" if name is None else row[name]) for text, name, _, _ in parts)


class Columns(BaseModel):
    """Raw modalities."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    text: str | None = None
    """The column that is the text."""
    vision: Files | None = Field(default=None, examples=[{"files": "images/{id}.jpg"}])
    """The images, as { files = "images/{id}.jpg" }."""
    audio: Files | None = Field(default=None, examples=[{"files": "sounds/{id}.wav"}])
    """The sounds, as { files = "sounds/{id}.wav" }."""

    @property
    def modalities(self) -> list[str]:
        """Those that are said."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    def names(self) -> Iterable[str]:
        """All columns that are named."""
        if self.text is not None:
            yield self.text
        for files in (self.vision, self.audio):
            yield from files.columns if files else ()


class TableDescription(Description):
    """A table, which rows and columns of it are what, and arrays beside it."""

    name: str = Field(default="table", min_length=1)
    """What messages call the dataset."""
    file: str = Field(examples=["products.csv"])
    """The table: csv or tsv in UTF-8 with a header; from the folder of dataset.toml, or
    absolute."""
    split: str = Field(examples=["split"])
    """The column of train, valid (or val, dev) and test."""
    target: str = Field(examples=["category"])
    """The column to predict."""
    loss: Literal["regression", "classification"] | None = None
    """What is learned; without it classes, unless the target holds numbers with a point."""
    classes: list[str] | None = Field(default=None, min_length=2)
    """Values of the target in the order in which they are numbered; without it sorted."""
    columns: Columns = Columns()
    """Raw modalities: text, vision, audio."""
    arrays: dict[str, str] = Field(default={})
    """npy files of features by modality, a row for each row of the table, and `_lengths` beside
    them; from the folder of dataset.toml, or absolute."""

    @field_validator("file")
    @classmethod
    def _is_a_table(cls, file: str) -> str:
        if not file.endswith(tuple(DELIMITERS)):
            raise ValueError(f"must end with {' or '.join(DELIMITERS)}")
        return file

    @field_validator("arrays")
    @classmethod
    def _are_npy_files(cls, arrays: dict[str, str]) -> dict[str, str]:
        for name, file in arrays.items():
            if name in {TARGET, CLASSES}:
                raise ValueError(f"{name} is no modality: it is a key above the tables")
            if not file.endswith(".npy"):
                raise ValueError(f"{name} must be a file that ends with .npy")
        return arrays

    @property
    def modalities(self) -> list[str]:
        """Raw ones, then those that have features alone."""
        return list(dict.fromkeys([*self.columns.modalities, *modalities_of(self.arrays)]))
