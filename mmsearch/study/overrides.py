"""Overrides from the command line: `key=value` pairs that replace values in a study file."""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from mmsearch.errors import Problem, StudyError
from mmsearch.space.schema import shown


def parse_override(text: str) -> tuple[str, Any]:
    """Key and value of `key=value`; the value is read as TOML, or else is text.

    Raises:
        StudyError: there is no `=`, or the key is not dotted words.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(_is_word(word) for word in key.split(".")):
        rule = f"an override is key=value with a dotted key, got {shown(text)}"
        raise StudyError(Problem("override", rule, "Write for example budget.trials=50."))
    return key, _value(value.strip())


def machines(
    data: Path | None, concurrent: int | None, workers: int | None, gpus_per_worker: float | None
) -> dict[str, Any]:
    """Overrides that say where data lies and what trains, of options that may be None."""
    return without_none(
        {
            "data": str(data.resolve()) if data else None,
            "resources.concurrent": concurrent,
            "resources.workers": workers,
            "resources.gpus_per_worker": gpus_per_worker,
        }
    )


def without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {key: value for key, value in options.items() if value is not None}


def apply(
    overrides: Mapping[str, Any], document: Mapping[str, Any], *, place: str
) -> tuple[dict[str, Any], list[Problem]]:
    """The document with these values in it, and the overrides that find no place in it."""
    changed = deepcopy(dict(document))
    problems: list[Problem] = []
    for key, value in overrides.items():
        *path, last = key.split(".")
        table = changed
        for depth, word in enumerate(path, start=1):
            inner = table.setdefault(word, {})
            if not isinstance(inner, dict):
                rule = f"{'.'.join(path[:depth])} is no table, got {key} = {shown(value)}"
                problems.append(Problem(f"{place} override {key}", rule, "Shorten the key."))
                break
            table = cast("dict[str, Any]", inner)
        else:
            table[last] = value
    return changed, problems


def marked(problem: Problem, overrides: Mapping[str, Any], *, place: str) -> Problem:
    """The problem, saying so where its value came from an override and not from the file."""
    for key in overrides:
        table, _, rest = key.partition(".")
        for at in (f"{place} [{table}] {rest}".rstrip(), f"{place} {key}"):
            if problem.place == at or problem.place.startswith((f"{at}.", f"{at} ")):
                return Problem(f"{problem.place} (override)", problem.rule, problem.way_out)
    return problem


def _value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text


def _is_word(text: str) -> bool:
    return bool(text) and text.replace("_", "").replace("-", "").isalnum()
