"""What is asked for: the choice of a race that is over, compared with itself without its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch import methods
from mmsearch.ablate.parts import Part
from mmsearch.ablate.variants import study_text, variants
from mmsearch.best import asking as races
from mmsearch.compare import asking as comparisons
from mmsearch.compare.request import Request as Comparison
from mmsearch.errors import Problem, SelectionError
from mmsearch.report.files import write_atomically
from mmsearch.selection.choice import Choice, choose
from mmsearch.trial import Record


@dataclass(frozen=True)
class Request:
    """What the user asked for, parsed."""

    study: str
    parts: tuple[Part, ...]
    trials: int
    seeds: int
    candidates: int
    machines: Mapping[str, Any]
    out: Path
    name: str
    address: str | None
    open_test: bool


@dataclass(frozen=True)
class Asked:
    """What a request comes to."""

    search: Record
    choice: Choice
    comparison: Comparison
    blocks: tuple[comparisons.Block, ...]


def answer(request: Request) -> Asked:
    """The choice, and a row for each part of it that is taken away.

    Raises:
        MmsearchError: a mistake in an option, a race that is not over, a choice without parts, or
            a contradiction of what is on record.
    """
    if request.trials < 1:
        problem = Problem(
            "--trials", f"must be at least 1, got {request.trials}", "Give 1 or more."
        )
        raise SelectionError(problem)
    asked = races.answer(
        races.Request(
            study=request.study,
            out=request.out,
            storage=None,
            address=None,
            machines={},
            race={},
            simplest=False,
            open_test=False,
        )
    )
    choice = _choice(asked)
    files = _written(request, asked, choice)
    comparison = Comparison(
        methods=tuple(str(path) for path in files),
        datasets=(),
        overrides={},
        machines=request.machines,
        seeds=request.seeds,
        candidates=request.candidates,
        race_epochs=None,
        out=asked.folder,
        name=request.name,
        address=request.address,
        against=files[0].stem,
        published=None,
        open_test=request.open_test,
        unequal=False,
        title=f"What each part of {asked.search.name} is worth",
        command=_command(request),
    )
    return Asked(asked.search, choice, comparison, comparisons.answer(comparison))


def _choice(asked: races.Asked) -> Choice:
    contest = asked.contest(asked.race)
    if asked.race is None or contest.is_open:
        rule = "its best configuration has not been raced over fresh seeds"
        way_out = f"First run `python -m mmsearch.best {asked.folder}`."
        raise SelectionError(Problem(f"study {asked.search.name!r}", rule, way_out))
    return choose(contest)


def _written(request: Request, asked: races.Asked, choice: Choice) -> list[Path]:
    """A study file for each row, the full method's first."""
    study = methods.study_of(asked.search)
    config = choice.chosen.candidate.trial.config
    schema = methods.schema_of(study.method)
    found = variants(study, config, schema, request.parts)
    if len(found) < 2:
        rule = f"the choice has none of the parts asked for ({', '.join(request.parts)})"
        way_out = "Leave --only out, or name other parts."
        raise SelectionError(Problem(f"study {study.name!r}", rule, way_out))
    folder = asked.folder / f"{request.name}-studies"
    paths = [folder / f"{one.label}.toml" for one in found]
    for path, one in zip(paths, found, strict=True):
        write_atomically(path, study_text(asked.search.study_text, one, request.trials))
    return paths


def _command(request: Request) -> str:
    parts = " ".join(f"--only {part}" for part in request.parts)
    told = (
        f"python -m mmsearch.ablate {Path(request.study).name} {parts} --trials {request.trials} "
        f"--seeds {request.seeds} --candidates {request.candidates}"
    )
    return told + (" --open-test" if request.open_test else "")
