"""On what terms a row was made: budgets, rules and data, so that unequal rows are not compared.

Unusual: terms are read off the records of search and race, and not off what is asked for now. What
a race was given is the most that any of its sittings asked for: nobody gives seeds back.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from mmsearch import provenance
from mmsearch.errors import Problem, SelectionError
from mmsearch.selection.contest import KEPT
from mmsearch.trial import Record

TABLES = ("objective", "scheduler", "sampler")
"""Of a study file: what all rows of a table must have in common."""
Terms = Mapping[str, str]
"""What was given, by name, as it is printed."""


def terms_of(search: Record) -> dict[str, str]:
    """Of a search on record: what its trials came to, and its rules."""
    ended = sum(trial.ended for trial in search.trials)
    return terms_asked(search.study_text) | {"trials": str(ended)}


def race_terms(
    search: Record | None, race: Record | None, asked: Mapping[str, Any]
) -> dict[str, str]:
    """The most that any sitting gave a race; epochs where it asked for a share of the search's.

    Args:
        search: as it stands; None before there is any.
        race: over its best; None before there is any.
        asked: overrides of the sitting at hand, which goes unrecorded where it trains nothing.
    """
    spent = float(sum(trial.epoch for trial in search.trials)) if search else 0.0
    before = provenance.sittings(race.provenance) if race else ()
    most: dict[str, float] = {}
    for sitting in (*(one.get("overrides", {}) for one in before), asked):
        told = {k.removeprefix(KEPT): v for k, v in sitting.items() if k.startswith(KEPT)}
        for key, value in told.items():
            number = _epochs(str(value), spent) if key == "budget" else float(value)
            most[key] = max(most.get(key, 0.0), number)
    return {f"race {key.replace('_', ' ')}": f"{value:g}" for key, value in most.items()}


def terms_asked(text: str) -> dict[str, str]:
    """Of a search that is yet to be made, from its study's resolved text."""
    document = tomllib.loads(text)
    budget = document["budget"]
    return {
        "seed": str(document.get("seed", 0)),
        **{f"{name}.{key}": value for name in TABLES for key, value in _leaves(document, name)},
        "trials": str(budget["trials"]),
        "max_epochs": str(budget["max_epochs"]),
        "gpu_hours": str(budget.get("gpu_hours", "no limit")),
        "configurations tried first": str(len(document.get("first", []))),
    }


def unequal(reference: Terms, other: Terms) -> tuple[str, ...]:
    """What the other had instead; what only one of them says is equal."""
    return tuple(
        f"{name} {other[name]} instead of {value}"
        for name, value in reference.items()
        if name in other and other[name] != value
    )


def require_equal(rows: Mapping[str, Terms]) -> None:
    """Whether rows may stand in one table.

    Args:
        rows: terms by label; the first row sets them.

    Raises:
        SelectionError: some had other terms; says all of them.
    """
    (_, reference), *others = rows.items()
    problems = [
        Problem(
            f"row {label!r}",
            "was not made on the first row's terms: " + "; ".join(lines),
            "Give all the same (a new --name searches anew), or let --unequal mark it.",
        )
        for label, own in others
        if (lines := unequal(reference, own))
    ]
    if problems:
        raise SelectionError(problems)


def require_same_data(fingerprints: Mapping[str, str]) -> None:
    """Whether all rows learned from the same examples, which no mark makes up for.

    Args:
        fingerprints: of train and valid, by label.

    Raises:
        SelectionError: they did not.
    """
    (first, reference), *others = fingerprints.items()
    other = [label for label, found in others if found != reference]
    if other:
        rule = f"learned from other data than {first!r} ({', '.join(map(repr, other))} did)"
        way_out = "Search all on the same files: rows of different data have no table."
        raise SelectionError(Problem("data", rule, way_out))


def _leaves(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for key, value in sorted(cast("Mapping[str, Any]", document.get(name, {})).items()):
        yield key, str(value)


def _epochs(text: str, spent: float) -> float:
    """Of a race's budget as `best` reads it."""
    if text.endswith("%"):
        return spent * float(text.removesuffix("%")) / 100
    return spent * float(text) if "." in text else float(text)
