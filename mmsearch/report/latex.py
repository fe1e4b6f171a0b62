"""Tables for a paper: the best configurations and the search space, as LaTeX with booktabs."""

from collections.abc import Sequence

from mmsearch.report.standing import describe_value
from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Trial

NEEDS = "% needs \\usepackage{booktabs}\n"
BEST = 5
"""Configurations in the table of the best."""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    **{one: f"\\{one}" for one in "&%$#_{}"},
}


def best_table(record: Record, study: Study) -> str:
    """The best completed configurations and the published one, a column each.

    Empty where no trial has completed. One seed stands behind each value, and the caption says so.
    """
    shown = list(record.ranking[:BEST])
    if not shown:
        return ""
    published = record.published
    if published and isinstance(published.state, Completed) and published not in shown:
        shown.append(published)
    rows = [
        [escaped(row.name), *(_cell(trial, row.name) for trial in shown)]
        for row in study.space.describe()
    ]
    rows = [row for row in rows if any(cell != "--" for cell in row[1:])]
    value = [escaped(record.metric), *(f"{trial.value:.4f}" for trial in shown)]
    heads = ["", *(_head(trial) for trial in shown)]
    caption = (
        f"Best configurations of a search of {len(record.trials)} trials "
        f"({escaped(study.method)} on {escaped(study.dataset)}). "
        "Each value is of one seed: the best of many is optimistic."
    )
    return _table("l" + "r" * len(shown), [heads], [value, *rows], caption)


def space_table(study: Study) -> str:
    """The search space, as an appendix prints it."""
    rows = [
        [escaped(row.name), escaped(row.kind), escaped(row.values), escaped(row.condition)]
        for row in study.space.describe()
    ]
    heads = [["Parameter", "Distribution", "Values", "Only when"]]
    caption = f"Search space ({escaped(study.method)} on {escaped(study.dataset)})."
    return _table("llll", heads, rows, caption)


def _table(
    columns: str, heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], caption: str
) -> str:
    return NEEDS + "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *(line(head) for head in heads),
            r"\midrule",
            *(line(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def line(cells: Sequence[str]) -> str:
    """A row of a table, its cells in LaTeX already."""
    return " & ".join(cells) + r" \\"


def _head(trial: Trial) -> str:
    return "published" if trial.published else f"trial {trial.number}"


def _cell(trial: Trial, name: str) -> str:
    value = trial.coordinates.get(name)
    return "--" if value is None else escaped(describe_value(value))


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(SPECIAL.get(one, one) for one in text)
