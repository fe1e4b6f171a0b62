"""Files of a comparison: its table, its courses against budget, and its appendix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsearch.compare.appendix import appendix
from mmsearch.compare.results import Result
from mmsearch.report.document import latex as latex_document
from mmsearch.report.document import markdown as markdown_document
from mmsearch.report.expected import Course, course
from mmsearch.report.figures import saved
from mmsearch.report.files import write_atomically
from mmsearch.report.trials import Table, write_table
from mmsearch.selection.comparison import Comparison
from mmsearch.selection.tables import Print, latex, markdown

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""


def write(folder: Path, results: Sequence[Result], found: Print, command: str) -> list[Path]:
    """Writes all files of a comparison; those that a reader begins with come first.

    Args:
        folder: of the comparison.
        results: its rows.
        found: its table.
        command: that makes it again.

    Raises:
        OSError: a file cannot be written; an earlier one stays as it was.
    """
    courses = {one.label: course(one.search, one.entry.study) for one in results}
    document = appendix(results, courses, command)
    texts = {
        "table.md": markdown(found),
        "table.tex": latex(found),
        "appendix.md": markdown_document(document),
        "appendix.tex": latex_document(document),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    write_table(cells(found.comparison), folder / "table.csv")
    write_table(points(courses), folder / "budget.csv")
    metric = results[0].search.metric
    figures = [
        saved(lambda axes: draw(axes, courses, metric), folder / f"budget.{kind}")
        for kind in ("pdf", "svg")
    ]
    return [folder / name for name in (*texts, "table.csv", "budget.csv")] + figures


def cells(comparison: Comparison) -> Table:
    """A row for each cell of the table, unrounded."""
    rows = [
        [row.label, metric, cell.mean, cell.sd, cell.seeds, cell.p, cell.bold]
        for row in comparison.rows
        for metric, cell in row.cells.items()
    ]
    return Table(["row", "metric", "mean", "sd", "seeds", "p_adjusted", "bold"], rows)


def points(courses: Mapping[str, Course]) -> Table:
    """A row for each budget at which a row's best is known."""
    rows = [
        [label, one.kind, point.trials, point.epochs, point.value, point.low, point.high]
        for label, one in courses.items()
        for point in one.points
    ]
    return Table(["row", "kind", "trials", "epochs", "value", "low", "high"], rows)


def draw(axes: Any, courses: Mapping[str, Course], metric: str) -> None:
    """The best of every row against epochs: expected with its interval, or of one search."""
    for place, (label, one) in enumerate(courses.items()):
        colour = COLOURS[place % len(COLOURS)]
        epochs = [point.epochs for point in one.points]
        values = [point.value for point in one.points]
        if one.kind == "incumbent":
            axes.step(epochs, values, where="post", color=colour, label=f"{label} (one search)")
            continue
        axes.plot(epochs, values, color=colour, label=label)
        known = [(p.epochs, p.low, p.high) for p in one.points if p.low is not None]
        axes.fill_between(*zip(*known, strict=True), color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="epochs of training", ylabel=metric)
    axes.legend()
