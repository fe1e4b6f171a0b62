"""What a comparison writes beside its table: documents, points and figures, of records alone."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from toy_report import a_record, a_study

from mmsearch.compare.writing import cells, draw, points
from mmsearch.report.columns import COLUMNS
from mmsearch.report.document import Code, Grid, Heading, Sentences, latex, markdown
from mmsearch.report.expected import course
from mmsearch.report.figures import saved
from mmsearch.selection.comparison import Entrant, compared
from mmsearch.study import Sampler, Scheduler
from mmsearch.trial import Completed

DOCUMENT = [
    Heading("A part", 2),
    Sentences("100 % of a_b < c | d."),
    Grid(("x", "y"), [("a|b", "±1"), ("", "2")]),
    Code('[published]\nrate = 1e-3\nname = "{}"'),
]


def test_a_document_is_markdown():
    assert markdown(DOCUMENT) == (
        "## A part\n\n100 % of a_b < c | d.\n\n"
        "| x | y |\n| --- | --- |\n| a\\|b | ±1 |\n|  | 2 |\n\n"
        '```toml\n[published]\nrate = 1e-3\nname = "{}"\n```\n'
    )


def test_a_document_is_latex():
    text = latex(DOCUMENT)
    assert text.startswith("% needs \\usepackage{booktabs,longtable}\n")
    assert r"\subsection*{A part}" in text
    assert r"100 \% of a\_b \textless{} c \textbar{} d." in text
    assert r"a\textbar{}b & $\pm$1 \\" in text
    assert '\\begin{verbatim}\n[published]\nrate = 1e-3\nname = "{}"\n\\end{verbatim}' in text
    assert text.count("{") == text.count("}")


def courses():
    study = a_study(trials=24)
    record = a_record(study)
    ended = tuple(replace(trial, state=Completed()) for trial in record.trials)
    drawn = replace(study, sampler=Sampler("random"), scheduler=Scheduler("none"))
    whole = replace(record, trials=ended)
    return {"drawn": course(whole, drawn), "learned": course(whole, study)}


def test_every_budget_is_a_row_of_its_kind():
    table = points(courses())
    kinds = {row[0]: row[1] for row in table.rows}
    assert kinds == {"drawn": "expected", "learned": "incumbent"}
    assert sum(row[0] == "drawn" for row in table.rows) == 23
    assert all(len(row) == len(table.columns) for row in table.rows)


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_the_figure_is_the_same_twice_and_shows_every_row(tmp_path, kind):
    first, second = (
        saved(lambda axes: draw(axes, courses(), "valid/mae"), tmp_path / f"{name}.{kind}")
        for name in ("one", "two")
    )
    assert first.read_bytes() == second.read_bytes()
    if kind == "svg":
        assert ET.parse(first).getroot().tag.endswith("svg")


def test_every_cell_of_a_table_is_a_row_unrounded():
    rows = [Entrant("a", {"mae": {1: 0.51234567, 2: 0.5}}), Entrant("b", {"mae": {1: 0.7, 2: 0.8}})]
    table = cells(compared(rows, [COLUMNS["mae"]]))
    assert [row[:2] for row in table.rows] == [["a", "mae"], ["b", "mae"]]
    assert table.rows[0][2] == pytest.approx(0.506172835)
    assert table.rows[0][6] is True
