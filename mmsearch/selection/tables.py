"""A comparison as a table of a paper: Markdown, and LaTeX with booktabs.

Unusual: what a mark, bold type or a figure of somebody else means stands under the table, in words,
so that it can be copied as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mmsearch.report import document
from mmsearch.report.columns import Column
from mmsearch.report.document import Grid, Sentences
from mmsearch.report.latex import NEEDS, escaped, line
from mmsearch.report.published import Published
from mmsearch.selection.comparison import Cell, Comparison, Row

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Print:
    """A comparison with all that is printed around it."""

    comparison: Comparison
    caption: str
    notes: tuple[str, ...]
    """Sentences under the table."""
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class _Style:
    """How one markup writes what a table is made of."""

    bold: str
    mark: str
    spread: str
    dagger: str
    none: str = "--"

    def cell(self, cell: Cell | None, column: Column, more: int) -> str:
        if cell is None:
            return self.none
        text = column.shown(cell.mean, more)
        text = self.bold.format(text) if cell.bold else text
        if cell.sd is not None:
            text += self.spread.format(column.shown(cell.sd, more))
        return text + (self.mark.format(cell.mark) if cell.mark else "")

    def figure(self, one: Published, column: Column) -> str:
        if column.metric not in one.values:
            return self.none
        text = column.shown(one.values[column.metric])
        sd = one.sd.get(column.metric)
        return text if sd is None else text + self.spread.format(column.shown(sd))

    def name(self, row: Row, unequal: Sequence[Row]) -> str:
        return row.label + (self.dagger.format(unequal.index(row) + 1) if row in unequal else "")


PLAIN = _Style(bold="[bold]{}[/bold]", mark=" {}", spread="\n± {}", dagger=" ({})")
MARKDOWN = _Style(bold="**{}**", mark=" `{}`", spread=" ± {}", dagger=" ({})")
LATEX = _Style(
    bold=r"\textbf{{{}}}",
    mark=r"$^{{{}}}$",
    spread=r"{{\scriptsize\,$\pm$\,{}}}",
    dagger=r"$^{{({})}}$",
)


def plain(print_: Print) -> tuple[list[str], list[list[str]]]:
    """Heads and cells for a terminal, of two lines each, what is bold in the markup of rich."""
    heads = [head.replace(" ", "\n", 1) for head in _heads(print_.comparison)]
    return heads, _rows(print_, PLAIN)


def notes(print_: Print) -> list[str]:
    """What stands under the table: what each mark means, and where figures are from."""
    return [
        *print_.notes,
        *(
            f"({place}) {row.label} is not equal to the first row: {'; '.join(row.unequal)}."
            for place, row in enumerate(_unequal(print_.comparison), start=1)
        ),
        *(
            f"{LETTERS[place % len(LETTERS)]}: published, not trained here: {one.source}."
            for place, one in enumerate(print_.published)
        ),
    ]


def markdown(print_: Print) -> str:
    """The table as Markdown, with its caption before and its notes behind it."""
    heads = _heads(print_.comparison)
    under = "\n".join(f"* {note}" for note in notes(print_))
    table = Grid(heads, _rows(print_, MARKDOWN))
    return document.markdown([Sentences(print_.caption), table, Sentences(under)])


def latex(print_: Print) -> str:
    """The table as LaTeX, needing booktabs and nothing else."""
    columns = print_.comparison.columns
    ours, theirs = _split(print_, _rows(print_, LATEX))
    body = [line(row) for row in ours]
    if theirs:
        body += [r"\midrule", *(line(row) for row in theirs)]
    under = r" \\ ".join(escaped(note) for note in notes(print_))
    return NEEDS + "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(print_.caption)}}}",
            rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
            r"\toprule",
            *_latex_heads(columns),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip",
            rf"\begin{{minipage}}{{\linewidth}}\footnotesize {under}\end{{minipage}}",
            r"\end{table}",
            "",
        ]
    )


def _heads(comparison: Comparison) -> list[str]:
    return ["", *(column.title for column in comparison.columns)]


def _rows(print_: Print, style: _Style) -> list[list[str]]:
    unequal = _unequal(print_.comparison)
    columns = print_.comparison.columns
    safe = escaped if style is LATEX else str
    more = {column.metric: _more(print_.comparison, column) for column in columns}
    ours = [
        [
            safe(row.label) + style.name(row, unequal).removeprefix(row.label),
            *(
                style.cell(row.cells.get(column.metric), column, more[column.metric])
                for column in columns
            ),
        ]
        for row in print_.comparison.rows
    ]
    theirs = [
        [
            f"{safe(one.name)} ({LETTERS[place % len(LETTERS)]})",
            *(style.figure(one, column) for column in columns),
        ]
        for place, one in enumerate(print_.published)
    ]
    return ours + theirs


def _more(comparison: Comparison, column: Column) -> int:
    """A digit more where a deviation would be printed as nothing."""
    cells = (row.cells.get(column.metric) for row in comparison.rows)
    return int(any(cell and cell.sd is not None and column.vanishes(cell.sd) for cell in cells))


def _split(
    print_: Print, rows: Sequence[list[str]]
) -> tuple[Sequence[list[str]], Sequence[list[str]]]:
    own = len(print_.comparison.rows)
    return rows[:own], rows[own:]


def _unequal(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.unequal]


def _latex_heads(columns: Sequence[Column]) -> list[str]:
    """One line, or two where columns share a head."""
    arrows = [r"$\downarrow$" if column.lower else r"$\uparrow$" for column in columns]
    below = [
        f"{escaped(column.head)} {arrow}" for column, arrow in zip(columns, arrows, strict=True)
    ]
    if not any(column.group for column in columns):
        return [line(["", *below])]
    place = 2
    cells: list[str] = [""]
    rules: list[str] = []
    for group, own in groupby(columns, key=lambda column: column.group):
        width = len(list(own))
        if group:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escaped(group)}}}")
            rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        else:
            cells += [""] * width
        place += width
    return [line(cells), " ".join(rules), line(["", *below])]
