"""What is asked for: the study of a request, checked whole, and where it lies.

Unusual: imports no engine, so that a mistake is answered before any of them is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import fsencode
from pathlib import Path
from typing import Any

from mmsearch import methods, provenance
from mmsearch import study as studies
from mmsearch.errors import ConflictError, Problem, StudyError
from mmsearch.study import Study
from mmsearch.study.files import journal_of
from mmsearch.trial import Record
from mmsearch.tune.agreement import Widening, must_agree
from mmsearch.tune.prior import best_of

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
    widen: bool
    """Whether the study on record may go on in another space and with more epochs."""
    dry_run: bool
    prior: str | None = None
    """An earlier study, whose best configurations are tried first."""


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
        plain = Path(name).name == name and "@" not in name and len(fsencode(name)) <= LONGEST
        if name in {"", ".", ".."} or not plain:
            rule = f"must be the name of a folder, without @, got {name!r}"
            way_out = f"Leave out any / and @, and take 1 to {LONGEST} bytes."
            raise StudyError(Problem("--name", rule, way_out))
        folder = (request.out / name).resolve()
        return cls(folder, journal_of(folder) if request.storage is None else request.storage)


@dataclass(frozen=True)
class Asked:
    """What a request comes to."""

    study: Study
    place: Place
    record: Record | None
    """What is on record of the study already."""
    overrides: Mapping[str, Any]
    """Of the study file, to be kept for later sittings."""


def answer(request: Request) -> Asked:
    """The study that a request names, where it lies, and what is on record of it.

    A study on record goes on when what is asked for is the same, or may go on differently.

    Raises:
        MmsearchError: a mistake in the study or its overrides, or a contradiction of the record.
    """
    from mmsearch import sampling

    if not request.resume:
        studies.find(request.study)
    name = Path(request.study).stem if request.name is None else request.name
    place = Place.of(request, name)
    # A folder that was renamed, or is a copy, holds its study under the name it was begun with.
    known_as = None if request.storage is None else name
    if request.resume:
        record = sampling.read(place.storage, known_as)
        study = _again(request, record)
    else:
        record = sampling.find(place.storage, known_as)
        if request.prior is not None:
            request = _after(request, record)
        study = _asked(request, {})
    if record:
        study = replace(study, name=record.name)
        must_agree(study, record, place.folder, widening=_wanted(request))
    elif request.widen:
        rule = f"there is no study {name!r} on record that could go on in another space"
        raise ConflictError(Problem("--widen", rule, "Leave it out to start the study."))
    return Asked(study, place, record, request.overrides)


def _after(request: Request, record: Record | None) -> Request:
    """The request with the best of an earlier study; what a study on record has of it stays."""
    if record:
        first = provenance.overrides(record.provenance).get("first")
    else:
        assert request.prior is not None
        first = best_of(request.prior, _asked(request, {}))
    return replace(request, overrides={**request.overrides, "first": first})


def _asked(request: Request, recorded: Mapping[str, Any]) -> Study:
    return studies.load(
        studies.find(request.study),
        schema_of=methods.schema_of,
        overrides={**recorded, **request.overrides},
        name=request.name,
    )


def _again(request: Request, record: Record) -> Study:
    """The study to go on with: earlier overrides hold, and its file may have gone."""
    try:
        studies.find(request.study)
    except StudyError:
        if Path(request.study).suffix:
            raise
        # A deadline is of one sitting.
        overrides = {"budget.wall_hours": None, **request.overrides}
        return methods.study_of(record, overrides)
    return _asked(request, provenance.overrides(record.provenance))


def _wanted(request: Request) -> Widening:
    """How far a request lets the study on record go on differently."""
    if request.widen:
        return "space"
    return "epochs" if "budget.max_epochs" in request.overrides else "nothing"
