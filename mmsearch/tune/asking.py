"""What is asked for: the study of a request, checked whole, and where it lies.

Unusual: imports no engine, so that a mistake is answered before any of them is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.errors import ConflictError, Problem, StudyError
from mmsearch.study import Study
from mmsearch.trial import Record


@dataclass(frozen=True)
class Request:
    """What the user asked for, parsed."""

    study: str
    overrides: dict[str, Any]
    """Dotted keys of the study file."""
    out: Path
    name: str | None
    storage: str | None
    address: str | None
    resume: bool
    dry_run: bool


@dataclass(frozen=True)
class Place:
    """Where a study lies."""

    folder: Path
    storage: str

    @classmethod
    def of(cls, request: Request, name: str) -> "Place":
        """`OUT/NAME`, made absolute; the record in it unless the user names another storage.

        Raises:
            StudyError: the name would lie elsewhere than in `OUT`.
        """
        if name in {"", ".", ".."} or Path(name).name != name:
            raise StudyError(
                Problem("--name", f"must be the name of a folder, got {name!r}", "Leave out any /.")
            )
        folder = (request.out / name).resolve()
        return cls(folder, request.storage or f"journal://{folder / 'study.journal'}")


@dataclass(frozen=True)
class Asked:
    """What a request comes to."""

    study: Study
    place: Place
    record: Record | None
    """What is on record of the study already."""


def answer(request: Request) -> Asked:
    """The study that a request names, where it lies, and what is on record of it.

    A study on record goes on when what is asked for is the same.

    Raises:
        MmsearchError: a mistake in the study or its overrides, or a contradiction of the record.
    """
    name = request.name or Path(request.study).stem
    place = Place.of(request, name)
    if request.resume:
        return _resumed(request, name, place)
    study = _asked(request, {})
    from mmsearch import sampling

    record = sampling.find(place.storage, study.name)
    if record:
        _must_agree(_on_record(record), study, place)
    return Asked(study, place, record)


def _asked(request: Request, recorded: Mapping[str, Any]) -> Study:
    return studies.load(
        studies.find(request.study),
        schema_of=methods.schema_of,
        overrides={**recorded, **request.overrides},
        name=request.name,
    )


def _resumed(request: Request, name: str, place: Place) -> Asked:
    """The study on record, if what is asked for now does not contradict it.

    Overrides of the first sitting need not be said again; its file may have gone.
    """
    from mmsearch import sampling

    record = sampling.read(place.storage, name)
    first = record.provenance.get("overrides", {})
    on_record = _on_record(record)
    try:
        asked = _asked(request, first)
    except StudyError:
        if Path(request.study).suffix or request.overrides:
            raise
        return Asked(on_record, place, record)
    _must_agree(on_record, asked, place)
    return Asked(asked, place, record)


def _on_record(record: Record) -> Study:
    return studies.loads(
        record.study_text, place="the record", schema_of=methods.schema_of, name=record.name
    )


def _must_agree(recorded: Study, asked: Study, place: Place) -> None:
    differences = studies.difference(recorded, asked)
    if differences:
        raise ConflictError(
            Problem(
                f"study {recorded.name!r} at {place.folder}",
                "what is asked for is not what is on record: " + "; ".join(differences),
                "Ask for what is on record to go on with it (--resume remembers its overrides), "
                "or start another study with --name.",
            )
        )
