"""Rows of replicates side by side: means, who is best, and who cannot be told from the best.

Unusual: a row is not told from another where a paired t test over the seeds of both, Holm-adjusted
for all the tests of its column, leaves the chance of no difference at 5 % or more. With few seeds
that is most of the rows, and the table says so in bold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from mmsearch.errors import Problem, SelectionError, closest
from mmsearch.report.columns import Column
from mmsearch.selection.paired import adjusted

DIFFERENT = 0.05
"""Adjusted p below which two rows differ."""
MARKS = ((0.001, "***"), (0.01, "**"), (DIFFERENT, "*"))
"""What is printed for an adjusted p below."""


@dataclass(frozen=True)
class Entrant:
    """One row's replicates."""

    label: str
    values: Mapping[str, Mapping[int, float]]
    """By metric, without the split, and by replicate."""
    unequal: tuple[str, ...] = ()
    """What it had other than the first row."""


@dataclass(frozen=True)
class Cell:
    """One row's metric."""

    mean: float
    sd: float | None
    """Of a sample over replicates; None below two."""
    seeds: int
    bold: bool
    """Whether it is the best of its column, or cannot be told from it."""
    p: float | None
    """Adjusted, of no difference from the row that its column is tested against; None for that row
    and below two common seeds."""

    @property
    def mark(self) -> str:
        """Of significance."""
        return next((mark for below, mark in MARKS if self.p is not None and self.p < below), "")


@dataclass(frozen=True)
class Row:
    """What stands in one line of the table."""

    label: str
    cells: Mapping[str, Cell]
    """By metric; one that was not observed is absent."""
    unequal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All rows of one dataset."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    against: str | None
    """Label of the row that all are tested against; None for the best of each column."""


def require_names(labels: Sequence[str], against: str | None) -> None:
    """Whether rows are called differently, and the one that all are tested against is there.

    Raises:
        SelectionError: no row is called as `against` says, or two have one name.
    """
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        rule = f"two rows would be called {twice!r}"
        raise SelectionError(Problem("METHODS", rule, "Name each once, or rename a folder."))
    if against is not None and against not in labels:
        raise SelectionError(
            Problem("--against", f"no row is called {against!r}", closest(against, labels))
        )


def compared(
    entrants: Sequence[Entrant], columns: Sequence[Column], *, against: str | None = None
) -> Comparison:
    """The rows with their statistics, in the order given.

    Raises:
        SelectionError: no row is called as `against` says, or two have one name.
    """
    require_names([one.label for one in entrants], against)
    by_metric = {column.metric: _cells(entrants, column, against) for column in columns}
    rows = [
        Row(
            one.label,
            {metric: cells[place] for metric, cells in by_metric.items() if place in cells},
            one.unequal,
        )
        for place, one in enumerate(entrants)
    ]
    return Comparison(tuple(columns), tuple(rows), against)


def _cells(entrants: Sequence[Entrant], column: Column, against: str | None) -> dict[int, Cell]:
    """By place of the row."""
    values = {
        place: own
        for place, one in enumerate(entrants)
        if (own := one.values.get(column.metric, {}))
    }
    if not values:
        return {}
    means = {place: mean(own.values()) for place, own in values.items()}
    sign = -1.0 if column.lower else 1.0
    best = max(means, key=lambda place: (sign * means[place], -place))
    from_best = adjusted(values, best)
    named = next((place for place in values if entrants[place].label == against), None)
    shown = from_best if against is None else adjusted(values, named)
    return {
        place: Cell(
            mean=means[place],
            sd=stdev(own.values()) if len(own) > 1 else None,
            seeds=len(own),
            bold=from_best.get(place, 1.0) >= DIFFERENT,
            p=shown.get(place),
        )
        for place, own in values.items()
    }
