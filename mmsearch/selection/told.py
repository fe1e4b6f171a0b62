"""What the files of a study say of its race and its test split, for cards and pages.

Unusual: it is read off the files each time, so that every card and page shows every opening of
test, also those that a later search writes anew.
"""

import tomllib
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmsearch.errors import SelectionError
from mmsearch.selection.files import NAME
from mmsearch.selection.receipts import Opening, Receipts

LEVEL = 0.95
"""Of the intervals of test figures."""
Runs = Mapping[str, Mapping[str, float]]
"""Metrics by replicate."""


def told(folder: Path) -> dict[str, Any]:
    """`selection` and `candidates` of a race, `test` of its openings; empty where there are none.

    `troubles` says so where somebody else changed these files.

    Args:
        folder: of the searched study.

    Raises:
        OSError: a file is there and cannot be read.
    """
    found: dict[str, Any] = {}
    troubles: list[str] = []
    try:
        document = tomllib.loads((folder / NAME).read_text(encoding="utf-8"))
        found = {key: document[key] for key in ("selection", "candidates")}
    except FileNotFoundError:
        pass
    except (LookupError, ValueError) as error:
        troubles.append(f"{NAME} was changed and cannot be read ({error}); `best` writes it anew")
    try:
        found["test"] = [_opened(one) for one in Receipts(folder).openings]
    except SelectionError as error:
        troubles.append(str(error))
    found["troubles"] = troubles
    return {key: value for key, value in found.items() if value}


def _opened(opening: Opening) -> dict[str, Any]:
    """One opening: for which choice, and the figures of each evaluated configuration."""
    kept = {key: opening[key] for key in ("opened_at", "trial", "rule", "why")}
    figures: Mapping[str, Runs] = opening.get("figures", {})
    return kept | {name: summed(runs) for name, runs in figures.items()}


def summed(runs: Runs) -> dict[str, dict[str, float | int | None]]:
    """Of each metric the mean over replicates, deviation, number and Student's interval."""
    values = list(runs.values())
    return {
        metric: _spread([float(run[metric]) for run in values])
        for metric in (values[0] if values else ())
    }


def _spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Deviation and interval are None below two values."""
    count, centre = len(values), mean(values)
    if count < 2:
        return {"mean": centre, "sd": None, "seeds": count, "low": None, "high": None}
    sd = stdev(values)
    from scipy import stats  # takes a while, and most studies have no test figures yet

    student: Any = stats.t(count - 1)
    reach = float(student.ppf((1 + LEVEL) / 2)) * sd / sqrt(count)
    return {
        "mean": centre,
        "sd": sd,
        "seeds": count,
        "low": centre - reach,
        "high": centre + reach,
    }
