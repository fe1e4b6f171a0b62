"""From a study file to a `Study`: checked whole, every mistake reported at once.

Unusual: layout, published configuration and space are each checked against what was written, so
that a mistake in one table hides none in another.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast

import tomli_w
from pydantic import BaseModel, ValidationError

from mmsearch.errors import Problem, StudyError
from mmsearch.space import Space, parse
from mmsearch.space.schema import shown
from mmsearch.study.files import at_home
from mmsearch.study.layout import StudyFile, where
from mmsearch.study.mistakes import Locate, problems_of
from mmsearch.study.model import Budget, Objective, Resources, Sampler, Scheduler, Study
from mmsearch.study.overrides import apply, marked
from mmsearch.study.plain import without_none

SchemaOf = Callable[[str], type[BaseModel]]
"""A method's `Config` from the method's name; raises `StudyError` for an unknown one."""
Document = Mapping[str, Any]
LARGEST = 2**63 - 1
"""Of the integers that every reader of TOML must take."""
Model = TypeVar("Model", bound=BaseModel)


def load(
    path: Path,
    *,
    schema_of: SchemaOf,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Study:
    """The study in a file.

    Args:
        path: the file, TOML in UTF-8.
        schema_of: a method's `Config` from its name.
        overrides: values by dotted key (`budget.trials`), put into the file's before checking.
        name: the study's name; the file's stem if None.

    Raises:
        StudyError: the file cannot be read, or holds mistakes: all of them.
    """
    place = _relative(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        problem = Problem(place, f"cannot be read: {reason}", "Give a study file in TOML.")
        raise StudyError(problem) from None
    return loads(text, place=place, schema_of=schema_of, overrides=overrides, name=name)


def loads(
    text: str,
    *,
    place: str,
    schema_of: SchemaOf,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Study:
    """The study in a text, such as a record's `study_text`.

    Args:
        text: TOML.
        place: what messages call the text.
        schema_of: a method's `Config` from its name.
        overrides: values by dotted key (`budget.trials`), put into the text's before checking.
        name: the study's name; the stem of `place` if None.

    Raises:
        StudyError: the text holds mistakes: all of them.
    """
    try:
        return _read(text, overrides or {}, schema_of, place=place, name=name or Path(place).stem)
    except RecursionError:
        problem = Problem(place, "is nested too deeply to be read", "Tables are a few levels deep.")
        raise StudyError(problem) from None


def _read(
    text: str, overrides: Mapping[str, Any], schema_of: SchemaOf, *, place: str, name: str
) -> Study:
    try:
        written = tomllib.loads(text)
    except ValueError as error:  # of numbers with thousands of digits it is no TOMLDecodeError
        problem = Problem(place, f"is not TOML: {error}", "See search_spaces/README.md.")
        raise StudyError(problem) from None
    document, problems = apply(overrides, written, place=place)
    document = _located(document)
    if huge := [*_huge(document, place, ())]:
        raise StudyError([marked(problem, overrides, place=place) for problem in huge])
    file, wrong = _checked(document, StudyFile, lambda path: where(place, path))
    config, space, wrong_method = _configurations(document, schema_of, place)
    problems += wrong + _without_effect(document, place) + _shared_gpu(document, place)
    problems += _sought_twice(document, place)
    problems += wrong_method
    first, wrong_first = _first(document, schema_of, space, place) if config else ([], [])
    problems += wrong_first
    if problems:
        raise StudyError([marked(problem, overrides, place=place) for problem in problems])
    assert file is not None
    assert config is not None
    return _study(file, config.model_dump(), first, space, name)


def _huge(value: object, place: str, path: tuple[str, ...]) -> Iterator[Problem]:
    """Integers that TOML promises to nobody; no number of a study is that large."""
    if isinstance(value, Mapping):
        for key, inner in cast("Document", value).items():
            yield from _huge(inner, place, (*path, key))
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _huge(inner, place, path)
    elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        rule = f"an integer has up to 64 bits, got {shown(value)}"
        yield Problem(where(place, path), rule, "Write a smaller number.")


def _located(document: Document) -> Document:
    """A method in a file of the user's, named by its absolute path: workers run elsewhere."""
    method = document.get("method")
    if not isinstance(method, str) or not method.endswith(".py"):
        return document
    return {**document, "method": str(at_home(method).resolve())}


def _checked(
    table: Document, schema: type[Model], locate: Locate
) -> tuple[Model | None, list[Problem]]:
    try:
        return schema.model_validate(table), []
    except ValidationError as error:
        return None, problems_of(error, schema, locate=locate)


def _configurations(
    document: Document, schema_of: SchemaOf, place: str
) -> tuple[BaseModel | None, Space, list[Problem]]:
    """The published configuration and the space, as far as they are right, and all mistakes."""
    method, nothing = document.get("method"), Space({})
    if not isinstance(method, str):
        return None, nothing, []
    try:
        schema = schema_of(method)
    except StudyError as error:
        unknown = [Problem(f"{place} method", p.rule, p.way_out) for p in error.problems]
        return None, nothing, unknown
    config, problems = _checked(
        _table(document, "published"), schema, lambda path: where(place, ("published", *path))
    )
    space, wrong = parse(_table(document, "space"), schema, place=f"{place} [space]")
    if document.get("space") == {}:
        rule = "an empty space leaves nothing to search, got {}"
        wrong = [Problem(f"{place} [space]", rule, "Give at least one parameter a distribution.")]
    outside = space.misfits(config.model_dump(), place=f"{place} [published]") if config else ()
    return config, space, [*problems, *wrong, *outside]


def _without_effect(document: Document, place: str) -> list[Problem]:
    """Settings of the scheduler that no trial would ever feel."""
    scheduler = _table(document, "scheduler")
    if scheduler.get("kind") == "none":
        return [
            Problem(
                f"{place} [scheduler] {key}",
                f'kind = "none" compares no trials, so {key} has no effect, got {shown(value)}',
                'Leave scheduler = { kind = "none" } alone, or set kind = "halving".',
            )
            for key, value in scheduler.items()
            if key in {"first_rung", "reduction"}
        ]
    first = scheduler.get("first_rung")
    epochs = _table(document, "budget").get("max_epochs")
    if not isinstance(first, int) or not isinstance(epochs, int) or not 1 <= epochs <= first:
        return []
    rule = f"must be less than [budget] max_epochs = {epochs}, or no trial is compared, got {first}"
    way_out = 'Lower it, or set scheduler = { kind = "none" }.'
    return [Problem(f"{place} [scheduler] first_rung", rule, way_out)]


def _first(
    document: Document, schema_of: SchemaOf, space: Space, place: str
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The configurations to try first, complete, and what is wrong with them."""
    schema, published = schema_of(cast("str", document["method"])), _table(document, "published")
    written = document.get("first")
    tables = cast("list[object]", written) if isinstance(written, list) else []
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for index, table in enumerate(tables):
        if not isinstance(table, Mapping):
            continue  # The layout has said so.
        searched = cast("Document", table)
        whole = {**published, **searched}
        at = ("first", str(index))
        config, wrong = _checked(whole, schema, lambda path, at=at: where(place, (*at, *path)))
        values = config.model_dump() if config else {}
        named = where(place, at)
        problems += [*wrong, *(space.misfits(values, place=named) if config else ())]
        found.append(values)
        if elsewhere := [key for key in searched if key not in space.parameters]:
            rule = f"the space does not search {', '.join(elsewhere)}"
            problems.append(Problem(named, rule, "Leave it out: it is as published."))
    return found, problems


def _sought_twice(document: Document, place: str) -> list[Problem]:
    """The objective once more among the others."""
    objective = _table(document, "objective")
    metric, others = objective.get("metric"), objective.get("others")
    if not isinstance(others, Mapping) or metric not in others:
        return []
    rule = f"{metric} is the objective already"
    return [Problem(f"{place} [objective] others", rule, "Name what is sought besides it.")]


def _shared_gpu(document: Document, place: str) -> list[Problem]:
    """A part of a GPU for each of several workers, which cannot train one trial on one GPU.

    Or one and a part, which Ray gives to nobody.
    """
    resources = _table(document, "resources")
    share, workers = resources.get("gpus_per_worker"), resources.get("workers", 1)
    if not isinstance(share, float) or not isinstance(workers, int) or not isfinite(share):
        return []
    if share > 1 and not share.is_integer():
        rule = f"a worker has a part of one GPU or whole ones, got {share}"
        way_out = "Use a number below 1, or a whole one."
        return [Problem(f"{place} [resources] gpus_per_worker", rule, way_out)]
    if not 0 < share < 1 or workers < 2:
        return []
    rule = f"{workers} workers of one trial cannot share a GPU, got {share}"
    way_out = "Use whole GPUs for trials of several workers, fractions for trials of one."
    return [Problem(f"{place} [resources] gpus_per_worker", rule, way_out)]


def _study(
    file: StudyFile,
    published: dict[str, Any],
    first: list[dict[str, Any]],
    space: Space,
    name: str,
) -> Study:
    written = file.model_dump()
    scheduler = Scheduler(**written["scheduler"])
    if not scheduler.rungs(file.budget.max_epochs):
        scheduler = Scheduler(kind="none")
        written["scheduler"] = {"kind": "none"}
    resolved = {**written, "published": published, "space": space.table()}
    return Study(
        name=name,
        method=file.method,
        dataset=file.dataset,
        seed=file.seed,
        objective=Objective(**{k: v for k, v in written["objective"].items() if k != "others"}),
        first=tuple(first),
        others=tuple(Objective(*one) for one in (file.objective.others or {}).items()),
        budget=Budget(**written["budget"]),
        space=space.keeping(published),
        published=published,
        text=tomli_w.dumps(without_none(resolved)),
        scheduler=scheduler,
        sampler=Sampler(**written["sampler"]),
        resources=Resources(**written["resources"]),
        deepspeed=file.deepspeed,
        data=at_home(file.data) if file.data else None,
    )


def _table(document: Document, name: str) -> Document:
    """A table as it was written; empty where it is missing or something else."""
    table = document.get(name)
    return cast("Document", table) if isinstance(table, Mapping) else {}


def _relative(path: Path) -> str:
    """The path from the working folder where it lies below it: what a user typed or can open."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
