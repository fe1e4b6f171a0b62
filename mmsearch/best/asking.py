"""What is asked for: the searched study, the race over its best, and what is on record of both.

Unusual: a race is a study of its own in the folder `best` of the search's, with a record like any
other; its trials are replicates instead of proposals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from mmsearch import methods, provenance
from mmsearch import study as studies
from mmsearch.errors import ConflictError, Problem, SelectionError
from mmsearch.selection.contest import KEPT, Contest, Plan
from mmsearch.selection.race import Rules
from mmsearch.study import Study
from mmsearch.study.files import JOURNAL, journal_of
from mmsearch.trial import Record

FOLDER = "best"


@dataclass(frozen=True)
class Request:
    """What the user asked for, parsed."""

    study: str
    out: Path
    storage: str | None
    address: str | None
    machines: Mapping[str, Any]
    """Overrides of the study: where its data lies and what trains it."""
    race: Mapping[str, Any]
    """`budget`, `candidates`, `seeds_at_least`, as far as they were said."""
    simplest: bool
    open_test: bool


@dataclass(frozen=True)
class Asked:
    """What a request comes to."""

    folder: Path
    """Of the searched study."""
    storage: str
    """Of its record."""
    search: Record
    study: Study
    """The race as a study: every trial is trained in full."""
    race: Record | None
    """What is on record of it."""
    plan: Plan
    kept: Mapping[str, Any]
    """Of the request, for later sittings."""

    @property
    def place(self) -> Path:
        """Folder of the race."""
        return self.folder / FOLDER

    @property
    def url(self) -> str:
        """Of the race's record."""
        return journal_of(self.place)

    def contest(self, race: Record | None) -> Contest:
        """As the records have it."""
        return Contest(self.search, race.trials if race else (), self.plan)


def answer(request: Request) -> Asked:
    """The study that a request names, and the race over its best.

    What an earlier sitting asked for holds unless it is asked for anew.

    Raises:
        MmsearchError: no such study, a mistake in an option, or a contradiction of the record.
    """
    from mmsearch import sampling

    folder = _folder(request)
    storage = request.storage or journal_of(folder)
    known_as = None if request.storage is None else folder.name
    search = sampling.read(storage, known_as)
    race = sampling.find(journal_of(folder / FOLDER))
    said = {f"{KEPT}{key}": value for key, value in request.race.items()}
    kept = {**(provenance.overrides(race.provenance) if race else {}), **request.machines, **said}
    study = _raced(search, {k: v for k, v in kept.items() if not k.startswith(KEPT)})
    if race:
        _must_agree(study, race, folder / FOLDER)
    plan = _plan({k.removeprefix(KEPT): v for k, v in kept.items() if k.startswith(KEPT)})
    return Asked(folder, storage, search, study, race, plan, kept)


def _folder(request: Request) -> Path:
    given, named = Path(request.study), request.out / request.study
    for folder in (given, named):
        if (folder / JOURNAL).is_file() or (request.storage and folder.is_dir()):
            return folder.resolve()
    rule = (
        f"no searched study here, got {request.study!r}: neither {given} nor {named} has a record"
    )
    way_out = "Name the folder of a study, or its name below --out."
    raise SelectionError(Problem("STUDY", rule, way_out))


def _raced(search: Record, machines: Mapping[str, Any]) -> Study:
    """The searched study with every trial trained in full, and no limit but the race's own."""
    unlimited = {"scheduler": {"kind": "none"}, "first": None}
    unlimited |= {"budget.gpu_hours": None, "budget.wall_hours": None}
    return methods.study_of(search, {**unlimited, **machines})


def _must_agree(study: Study, race: Record, folder: Path) -> None:
    lines = studies.difference(methods.study_of(race), study)
    if lines:
        rule = "the race on record was of another study: " + "; ".join(lines)
        way_out = "Ask for what is on record, or move this folder away to race anew."
        raise ConflictError(Problem(str(folder), rule, way_out))


def _plan(said: Mapping[str, Any]) -> Plan:
    for key in ("candidates", "seeds_at_least"):
        least = 1 if key == "candidates" else 2
        if said.get(key, least) < least:
            option = f"--{key.replace('_', '-')}"
            rule = f"must be at least {least}, got {said[key]}"
            raise SelectionError(Problem(option, rule, f"Give {least} or more."))
    default, rules = Plan(), Rules()
    share, epochs = _budget(said["budget"]) if "budget" in said else (default.share, None)
    return Plan(
        candidates=said.get("candidates", default.candidates),
        epochs=epochs,
        share=share,
        rules=Rules(seeds_at_least=said.get("seeds_at_least", rules.seeds_at_least)),
    )


def _budget(text: str) -> tuple[float, float | None]:
    """Share of the search's epochs, or epochs."""
    problem = Problem(
        "--budget",
        f"expected a share of the search or a number of epochs, got {text!r}",
        "Write 25% or 0.25 for a share, a whole number such as 400 for epochs.",
    )
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise SelectionError(problem) from None
    if not (value >= 0 and isfinite(value)):
        raise SelectionError(problem)
    if text.endswith("%"):
        return value / 100, None
    return (value, None) if "." in text else (Plan().share, value)
