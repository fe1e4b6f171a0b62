"""From pydantic's complaints to ours: place, rule, value, way out and the closest known name."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mmsearch.errors import Problem, closest
from mmsearch.space.schema import KIND, models, rule_of, shown

Locate = Callable[[tuple[str, ...]], str]


def problems_of(
    error: ValidationError, schema: type[BaseModel], *, locate: Locate
) -> list[Problem]:
    """One problem for each complaint.

    Args:
        error: what validating against `schema` raised.
        schema: the model that was validated against.
        locate: how messages name a key, from its path as a study file spells it.
    """
    return [_problem(detail, schema, locate) for detail in error.errors()]


def _problem(detail: ErrorDetails, schema: type[BaseModel], locate: Locate) -> Problem:
    path, owner = _walk(detail["loc"], schema)
    place = locate(path)
    key = path[-1] if path else ""
    field = owner.model_fields.get(key)
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            rule = f"unknown key, got {shown(detail['input'])}"
            return Problem(place, rule, closest(key, tuple(owner.model_fields)))
        case "missing":
            name = f"[{key}]" if place.endswith(f"[{key}]") else key
            return Problem(place, "is missing", f"Add {_example(name, field)}")
        case "union_tag_invalid":
            rule = f"no such arm, got {KIND} = {shown(context['tag'])}"
            return Problem(place, rule, closest(str(context["tag"]), _quoted(context)))
        case "union_tag_not_found":
            rule = f"a branch needs the key {KIND}, got {shown(detail['input'])}"
            return Problem(place, rule, f"Arms: {', '.join(models(owner, key))}.")
        case "literal_error":
            way_out = closest(str(detail["input"]), _quoted(context))
            return Problem(place, rule_of(detail), way_out)
        case _:
            way_out = _meaning(field) or "Choose values that go together."
            return Problem(place, rule_of(detail), way_out)


def _walk(
    location: tuple[int | str, ...], schema: type[BaseModel]
) -> tuple[tuple[str, ...], type[BaseModel]]:
    """Path as a study file spells it, and the model that owns its last key.

    Pydantic's locations name the arm of a branch between the branch and its fields; files do not.
    """
    path: tuple[str, ...] = ()
    owner = schema
    inner: dict[str, type[BaseModel]] = {}
    for step in map(str, location):
        if step in inner:
            owner, inner = inner[step], {}
            continue
        if len(inner) == 1:
            (owner,) = inner.values()
        path = (*path, step)
        inner = models(owner, step)
    return path, owner


def _quoted(context: dict[str, Any]) -> list[str]:
    expected = str(context.get("expected") or context.get("expected_tags") or "")
    return re.findall(r"'([^']*)'", expected)


def _meaning(field: FieldInfo | None) -> str:
    """What the field is for, and its default: what a user can write instead."""
    if field is None:
        return ""
    meaning = " ".join((field.description or "").split())
    default = field.default
    if isinstance(default, BaseModel):
        default = default.model_dump(exclude_none=True)
    has_default = not field.is_required() and default is not None
    return f"{meaning} Default: {shown(default)}.".strip() if has_default else meaning


def _example(key: str, field: FieldInfo | None) -> str:
    examples = field.examples if field else None
    assignment = f"{key} = {shown(examples[0])}." if examples else f"{key}."
    return f"{assignment} {_meaning(field)}".strip()
