"""Reads a card: the configuration, the study that it was found by, its curve, its conditions."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.errors import Problem, StudyError, words_of
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.study.mistakes import problems_of

ANEW = "Take the best.toml of a study as its search wrote it."


class _Table(BaseModel):
    """A table of which a card may hold more than training asks for."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class SeedTable(_Table):
    """`[provenance.seed]`."""

    study: int = Field(ge=0, examples=[0])
    """The study's seed."""
    trial: int = Field(ge=0, examples=[0])
    """The trial's number."""
    replicate: int = Field(ge=0, examples=[0])
    """0 is the search's own."""


class ProvenanceTable(_Table):
    """`[provenance]`."""

    study: str = Field(examples=["selfmi"])
    """The study's name."""
    trial: int = Field(ge=0, examples=[0])
    """The trial's number."""
    seed: SeedTable
    """The root of the trial's streams."""
    fingerprints: dict[str, str]
    """Of data and code."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of packages."""
    hardware: dict[str, Any] = Field(default_factory=dict)
    """What the machine was."""
    threads: int = Field(default=1, ge=1)
    """Threads of one operation on the CPU."""


class ValidationTable(_Table):
    """`[validation]`."""

    epoch: int = Field(ge=1, examples=[1])
    """The epoch of the value."""
    workers: int = Field(default=1, ge=1)
    """Processes that trained the trial together."""
    curve: list[float] = Field(min_length=1)
    """The objective, by epoch."""
    metrics: dict[str, float]
    """Of the value's epoch."""


class CardFile(_Table):
    """What training needs of a card."""

    published: dict[str, Any]
    """The configuration."""
    validation: ValidationTable
    """What came of it."""
    study: dict[str, Any]
    """How it was found."""
    provenance: ProvenanceTable
    """Where it comes from."""


@dataclass(frozen=True)
class Card:
    """One configuration with its curve, and all that training it again needs."""

    path: Path
    study: Study
    """Its published configuration is the card's; no trial of it is compared with others."""
    seed: Seed
    curve: tuple[float, ...]
    """The objective of each epoch, from epoch 1."""
    epoch: int
    """Of the value."""
    workers: int
    """Processes that trained it together."""
    recorded_epochs: int
    """Full fidelity of the study."""
    metrics: Mapping[str, float]
    """By name without `valid/`, of that epoch."""
    provenance: ProvenanceTable

    @property
    def name(self) -> str:
        """Of what is trained and exported."""
        return f"{self.study.name}-trial-{self.provenance.trial}"

    @property
    def config(self) -> Mapping[str, Any]:
        """The complete configuration."""
        return self.study.published


def read(path: Path, *, overrides: Mapping[str, Any]) -> Card:
    """The card in a file, checked whole.

    Args:
        path: a study's `best.toml`.
        overrides: values by dotted key of the study (`budget.max_epochs`).

    Raises:
        StudyError: no such file, no card, or mistakes in it: all of them.
    """
    place = str(path)
    document = _document(path)
    file = _checked(document, place)
    searched = {**file.study, "published": file.published, "scheduler": {"kind": "none"}}
    resources = {**_table(searched, "resources"), "workers": file.validation.workers}
    study = studies.loads(
        tomli_w.dumps({**searched, "resources": resources}),
        place=place,
        schema_of=methods.schema_of,
        overrides=overrides,
        name=file.provenance.study,
    )
    told = file.provenance.seed
    return Card(
        path=path,
        study=study,
        seed=Seed(told.study, told.trial, told.replicate),
        curve=tuple(file.validation.curve),
        epoch=file.validation.epoch,
        workers=file.validation.workers,
        recorded_epochs=_table(file.study, "budget").get("max_epochs", study.budget.max_epochs),
        metrics=file.validation.metrics,
        provenance=file.provenance,
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        rule = f"cannot be read: {words_of(error).lower()}"
        way_out = "Give the best.toml in a study's folder."
        raise StudyError(Problem(str(path), rule, way_out)) from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise StudyError(Problem(str(path), f"is not TOML: {error}", ANEW)) from None


def _checked(document: Mapping[str, Any], place: str) -> CardFile:
    missing = [name for name in CardFile.model_fields if name not in document]
    if missing:
        rule = f"is no card: it has no {', '.join(f'[{name}]' for name in missing)}"
        raise StudyError(Problem(place, rule, ANEW))
    try:
        file = CardFile.model_validate(document)
    except ValidationError as error:
        raise StudyError(
            problems_of(error, CardFile, locate=lambda path: _where(place, path))
        ) from None
    problems = [*_contradictions(file, place)]
    if problems:
        raise StudyError(problems)
    return file


def _contradictions(file: CardFile, place: str) -> list[Problem]:
    found = file.validation
    if found.epoch > len(found.curve):
        rule = f"the curve has {len(found.curve)} epochs, got {found.epoch}"
        return [Problem(f"{place} [validation] epoch", rule, ANEW)]
    if "data" not in file.provenance.fingerprints:
        return [Problem(f"{place} [provenance.fingerprints] data", "is missing", ANEW)]
    return []


def _where(place: str, path: tuple[str, ...]) -> str:
    *tables, key = path or ("",)
    return f"{place} [{'.'.join(tables)}] {key}" if tables else f"{place} [{key}]"


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of the study; what is no table is left for the study's own check to refuse."""
    found = document.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
