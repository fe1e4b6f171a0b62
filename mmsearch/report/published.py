"""Figures that papers print, to stand beside ours: a small TOML file of rows, each with its source.

    [[row]]
    name    = "Self-MM"
    source  = "Yu et al., AAAI 2021, table 2"
    dataset = "mosi"
    values  = { acc_2_has0 = 0.84, mae = 0.713, corr = 0.798 }
    sd      = { mae = 0.01 }

`values` and `sd` are by metric, in the units of our record: fractions and not percentages.
`dataset` may be left out, and `sd` too.
"""

import tomllib
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mmsearch.errors import Problem, StudyError, closest, reason_of, words_of
from mmsearch.report.columns import COLUMNS
from mmsearch.space.schema import rule_of


class Published(BaseModel):
    """One row of somebody else's table."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str
    source: str
    values: dict[str, float]
    sd: dict[str, float] = {}
    dataset: str | None = None
    """None stands beside every dataset."""


class _File(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    row: list[Published]


def read(path: Path) -> tuple[Published, ...]:
    """All rows of a file.

    Raises:
        StudyError: it cannot be read, or holds mistakes: all of them.
    """
    try:
        found = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        rule = f"cannot be read: {words_of(error).lower()}"
        raise StudyError(Problem(str(path), rule, "Name a TOML file of rows.")) from error
    except ValidationError as error:
        raise StudyError(
            [
                Problem(
                    f"{path} {'.'.join(map(str, entry['loc']))}",
                    rule_of(entry),
                    "Each [[row]] has name, source, values; it may have sd and dataset.",
                )
                for entry in error.errors()
            ]
        ) from error
    except ValueError as error:
        raise StudyError(Problem(str(path), f"is no TOML ({reason_of(error)})")) from error
    problems = [
        problem
        for one in found.row
        for name, value in [*one.values.items(), *one.sd.items()]
        for problem in _mistakes(f"{path} row {one.name!r}", name, value)
    ]
    if problems:
        raise StudyError(problems)
    return tuple(found.row)


def of_dataset(rows: Sequence[Published], dataset: str) -> tuple[Published, ...]:
    """Those that stand beside a dataset."""
    return tuple(one for one in rows if one.dataset in {None, dataset})


def _mistakes(place: str, name: str, value: float) -> list[Problem]:
    column = COLUMNS.get(name)
    if column is None:
        rule = f"no metric is called {name!r}"
        return [Problem(place, rule, closest(name, list(COLUMNS)))]
    if not isfinite(value):
        return [Problem(place, f"{name} must be a number, got {value}")]
    if column.percent and not 0 <= value <= 1:
        rule = f"{name} must be a fraction from 0 to 1, got {value}"
        return [Problem(place, rule, "Divide percentages by 100.")]
    return []
