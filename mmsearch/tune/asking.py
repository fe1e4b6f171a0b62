"""What is asked for: the study of a request, checked whole, and where it lies.

Unusual: imports no engine, so that a mistake is answered before any of them is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os import fsencode
from pathlib import Path
from typing import Any

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.errors import ConflictError, Problem, StudyError
from mmsearch.study import Study

LONGEST = 255
"""Bytes of a folder's name."""


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
        if name in {"", ".", ".."} or Path(name).name != name or len(fsencode(name)) > LONGEST:
            rule = f"must be the name of a folder, got {name!r}"
            way_out = f"Leave out any /, and take 1 to {LONGEST} bytes."
            raise StudyError(Problem("--name", rule, way_out))
        folder = (request.out / name).resolve()
        journal = f"journal://{folder / 'study.journal'}"
        return cls(folder, journal if request.storage is None else request.storage)


def study_of(request: Request) -> tuple[Study, Place]:
    """The study that a request names, and where it lies.

    Raises:
        MmsearchError: a mistake in the study or its overrides, or a contradiction of the record.
    """
    if not request.resume:
        studies.find(request.study)
    name = Path(request.study).stem if request.name is None else request.name
    place = Place.of(request, name)
    return (_recorded(request, place) if request.resume else _asked(request, {})), place


def _asked(request: Request, recorded: Mapping[str, Any]) -> Study:
    return studies.load(
        studies.find(request.study),
        schema_of=methods.schema_of,
        overrides={**recorded, **request.overrides},
        name=request.name,
    )


def _recorded(request: Request, place: Place) -> Study:
    """The study on record, if what is asked for now does not contradict it.

    Overrides of the first sitting need not be said again; its file may have gone.
    """
    from mmsearch import sampling

    record = sampling.read(place.storage)
    first = record.provenance.get("overrides", {})
    on_record = studies.loads(
        record.study_text, place="the record", schema_of=methods.schema_of, name=record.name
    )
    try:
        asked = _asked(request, first)
    except StudyError:
        if Path(request.study).suffix or request.overrides:
            raise
        return on_record
    differences = studies.difference(on_record, asked)
    if differences:
        raise ConflictError(
            Problem(
                f"study {record.name!r} at {place.folder}",
                "what is asked for is not what is on record: " + "; ".join(differences),
                "Leave out what differs to go on with it, or start another study with --name.",
            )
        )
    return asked
