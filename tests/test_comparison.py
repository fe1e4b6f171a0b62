"""Rows side by side: statistics by hand, bold and marks, terms, and what is printed."""

from dataclasses import replace
from math import sqrt
from statistics import mean, stdev

import pytest
import toy_race
from scipy import stats

from mmsearch import metrics
from mmsearch.errors import MmsearchError
from mmsearch.report.columns import COLUMNS, LAYOUTS, layout
from mmsearch.report.published import Published, of_dataset, read
from mmsearch.selection.comparison import Entrant, compared
from mmsearch.selection.tables import Print, latex, markdown, notes
from mmsearch.selection.terms import (
    race_terms,
    require_equal,
    require_same_data,
    terms_asked,
    terms_of,
    unequal,
)
from mmsearch.trial import Record

MAE, ACC = COLUMNS["mae"], COLUMNS["acc_2_has0"]
NEAR = (0.50, 0.52, 0.51, 0.49)
CLOSE = (0.51, 0.51, 0.52, 0.50)
FAR = (0.71, 0.74, 0.70, 0.69)


def entrant(label: str, *values: float, metric: str = "mae", **more) -> Entrant:
    return Entrant(label, {metric: dict(enumerate(values, 1))}, **more)


def by_hand(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    differences = [a - b for a, b in zip(left, right, strict=True)]
    t = mean(differences) / (stdev(differences) / sqrt(len(differences)))
    return 2 * float(stats.t(len(differences) - 1).sf(abs(t)))


def test_means_deviations_and_adjusted_tests_are_those_computed_by_hand():
    rows = [entrant("near", *NEAR), entrant("far", *FAR), entrant("close", *CLOSE)]
    found = compared(rows, [MAE])
    near, far, close = (row.cells["mae"] for row in found.rows)
    assert (near.mean, near.sd) == pytest.approx((0.505, 0.0129099), abs=1e-6)
    ps = {"far": by_hand(FAR, NEAR), "close": by_hand(CLOSE, NEAR)}
    assert ps["far"] < ps["close"]
    assert far.p == pytest.approx(2 * ps["far"])
    assert close.p == pytest.approx(max(2 * ps["far"], ps["close"]))
    assert near.p is None
    assert [cell.bold for cell in (near, far, close)] == [True, False, True]
    assert [cell.mark for cell in (near, far, close)] == ["", "***", ""]


def test_a_higher_accuracy_is_the_best_and_a_lower_error_is():
    high, low = entrant("high", *FAR, metric="acc_2_has0"), entrant("low", *NEAR)
    rows = [
        replace(high, values={**high.values, "mae": dict(enumerate(FAR, 1))}),
        replace(low, values={**low.values, "acc_2_has0": dict(enumerate(NEAR, 1))}),
    ]
    cells = [row.cells for row in compared(rows, [ACC, MAE]).rows]
    assert [own["acc_2_has0"].bold for own in cells] == [True, False]
    assert [own["mae"].bold for own in cells] == [False, True]


def test_with_a_named_row_marks_are_against_it_and_bold_is_still_of_the_best():
    rows = [entrant("near", *NEAR), entrant("far", *FAR), entrant("close", *CLOSE)]
    near, far, close = compared(rows, [MAE], against="far").rows
    assert far.cells["mae"].p is None
    assert near.cells["mae"].mark
    assert close.cells["mae"].mark
    assert [row.cells["mae"].bold for row in (near, far, close)] == [True, False, True]


def test_rows_that_share_too_few_seeds_are_not_told_apart():
    rows = [entrant("one", 0.5), entrant("two", 0.9)]
    assert all(row.cells["mae"].bold for row in compared(rows, [MAE]).rows)
    assert [row.cells["mae"].sd for row in compared(rows, [MAE]).rows] == [None, None]


def test_a_metric_that_no_row_has_leaves_its_column_empty():
    found = compared([entrant("one", 0.5, 0.6)], [MAE, ACC])
    assert set(found.rows[0].cells) == {"mae"}
    assert "| one | **0.550** ± 0.071 | -- |" in markdown(Print(found, "", ()))


@pytest.mark.parametrize(
    ("labels", "against", "words"),
    [
        pytest.param(["a", "a"], None, "METHODS: two rows would be called 'a'", id="twice"),
        pytest.param(["mim", "b"], "mum", "--against: .*'mum'. Did you mean 'mim'?", id="absent"),
    ],
)
def test_names_of_rows_that_are_wrong_are_told(labels, against, words):
    with pytest.raises(MmsearchError, match=words):
        compared([entrant(label, 0.5, 0.6) for label in labels], [MAE], against=against)


# Columns


@pytest.mark.parametrize("family", sorted(metrics.FAMILIES))
def test_every_family_has_a_layout_of_its_own_metrics(family):
    known = metrics.names(family)
    assert set(LAYOUTS[family]) <= set(known) <= set(COLUMNS)
    assert [one.metric for one in layout(known, LAYOUTS[family][0])] == list(LAYOUTS[family])


def test_lower_is_better_for_errors_alone():
    assert {one.metric for one in COLUMNS.values() if one.lower} == {"mae", "mae_non0", "rmse"}


def test_the_objective_has_a_column_where_the_field_prints_none():
    columns = layout(metrics.names("mosi"), "acc_5")
    assert [one.metric for one in columns][-2:] == ["corr", "acc_5"]


# Print


def a_print(**more) -> Print:
    rows = [
        entrant("self_mi", *NEAR),
        entrant("far", *FAR, unequal=("trials 60 instead of 30",)),
    ]
    theirs = (
        Published(name="MulT", source="Tsai & al., 100 %", values={"mae": 0.58}, sd={"mae": 0.01}),
    )
    columns = [MAE, COLUMNS["acc_2_has0"], COLUMNS["acc_2_non0"]]
    return Print(compared(rows, columns), "A caption: 5 %.", ("A note_.",), theirs, **more)


def test_markdown_has_caption_rows_and_notes():
    lines = markdown(a_print()).splitlines()
    assert lines[0] == "A caption: 5 %."
    assert lines[2] == "|  | MAE ↓ | Acc-2 has0 ↑ | Acc-2 non0 ↑ |"
    assert lines[4] == "| self_mi | **0.505** ± 0.013 | -- | -- |"
    assert lines[5] == "| far (1) | 0.710 ± 0.022 `***` | -- | -- |"
    assert lines[6] == "| MulT (a) | 0.580 ± 0.010 | -- | -- |"
    assert lines[8:] == [
        "* A note_.",
        "* (1) far is not equal to the first row: trials 60 instead of 30.",
        "* a: published, not trained here: Tsai & al., 100 %.",
    ]


def test_latex_is_balanced_escaped_and_has_as_many_cells_in_each_line():
    text = latex(a_print())
    assert text.count("{") == text.count("}")
    for name in ("table", "tabular", "minipage"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 5
    assert {_cells(line) for line in lines} == {4}
    assert r"\multicolumn{2}{c}{Acc-2}" in body
    assert r"\cmidrule(lr){3-4}" in body
    assert r"self\_mi & \textbf{0.505}{\scriptsize\,$\pm$\,0.013}" in body
    assert r"far$^{(1)}$ & 0.710{\scriptsize\,$\pm$\,0.022}$^{***}$" in body
    assert r"Tsai \& al., 100 \%." in text
    assert body.count(r"\midrule") == 2


def _cells(line: str) -> int:
    spans = [int(part.split("}")[0]) for part in line.split(r"\multicolumn{")[1:]]
    return line.count(" & ") + 1 + sum(span - 1 for span in spans)


def test_a_deviation_is_never_printed_as_nothing():
    found = compared([entrant("one", 0.5, 0.5004)], [MAE])
    assert "**0.5002** ± 0.0003" in markdown(Print(found, "", ()))


def test_figures_of_papers_are_never_bold_and_not_tested():
    found = a_print()
    assert len(found.comparison.rows) == 2
    assert "**0.58" not in markdown(found)
    assert notes(found)[-1].startswith("a: published, not trained here")


# Published figures


def test_figures_of_papers_are_read_for_their_dataset(tmp_path):
    path = tmp_path / "papers.toml"
    path.write_text(
        '[[row]]\nname = "A"\nsource = "s"\ndataset = "mosi"\nvalues = { mae = 0.7 }\n'
        '[[row]]\nname = "B"\nsource = "s"\nvalues = { acc_7 = 0.45 }\n'
    )
    rows = read(path)
    assert [one.name for one in of_dataset(rows, "mosi")] == ["A", "B"]
    assert [one.name for one in of_dataset(rows, "sims")] == ["B"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            '[[row]]\nname = "A"\nsource = "s"\nvalues = { acc_7 = 45.0 }',
            "row 'A': acc_7 must be a fraction from 0 to 1, got 45.0. Divide percentages by 100",
            id="percent",
        ),
        pytest.param(
            '[[row]]\nname = "A"\nsource = "s"\nvalues = { acc7 = 0.4 }',
            "no metric is called 'acc7'. Did you mean 'acc_7'?",
            id="unknown metric",
        ),
        pytest.param(
            '[[row]]\nname = "A"\nvalues = {}', r"row.0.source: .*Each \[\[row\]\]", id="no source"
        ),
        pytest.param('[[row]]\nname = "A', "is no TOML", id="no TOML"),
        pytest.param(
            '[[row]]\nname = "A"\nsource = "s"\nvalues = { mae = nan }',
            "mae must be a number, got nan",
            id="no number",
        ),
    ],
)
def test_mistakes_in_figures_of_papers_are_told(tmp_path, text, words):
    path = tmp_path / "papers.toml"
    path.write_text(text)
    with pytest.raises(MmsearchError, match=words):
        read(path)


def test_a_file_of_figures_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MmsearchError, match="cannot be read: no such file"):
        read(tmp_path / "absent.toml")


# Terms

TEXT = """
method = "selfmi"
seed = 3
[objective]
metric = "valid/mae"
direction = "minimize"
[budget]
trials = 30
max_epochs = 9
[scheduler]
kind = "none"
"""


def a_record(text: str = TEXT, *overrides: dict[str, object]) -> Record:
    first, *later = overrides or ({},)
    facts = {"overrides": first, "resumed": [{"overrides": one} for one in later]}
    return Record("toy", "valid/mae", "minimize", text, facts, ())


def test_what_differs_in_budgets_and_rules_is_said_and_refused():
    other = TEXT.replace("max_epochs = 9", "max_epochs = 12").replace('"none"', '"halving"')
    terms = {"a": terms_asked(TEXT), "b": terms_asked(other)}
    told = unequal(terms["a"], terms["b"])
    assert told == ("scheduler.kind halving instead of none", "max_epochs 12 instead of 9")
    with pytest.raises(MmsearchError, match=r"row 'b': .*max_epochs 12 instead of 9.*--unequal"):
        require_equal(terms)
    require_equal({"a": terms["a"], "c": terms_asked(TEXT.replace("selfmi", "mim"))})


def test_a_race_had_the_most_that_any_sitting_gave_it():
    race = a_record(
        TEXT,
        {"race.budget": "40", "race.seeds_at_least": 5},
        {"race.budget": "20", "race.seeds_at_least": 3},
    )
    given = race_terms(a_record(), race, {"race.budget": "30", "race.candidates": 4})
    assert given == {"race budget": "40", "race seeds at least": "5", "race candidates": "4"}


def test_a_share_of_the_search_is_told_in_epochs():
    race = a_record(TEXT, {"race.budget": "50%"}, {"race.budget": "0.25"})
    searched = toy_race.search()
    assert race_terms(searched, race, {}) == {"race budget": "35"}


def test_only_trials_with_an_ending_count_as_budget():
    assert terms_of(a_record())["trials"] == "0"
    assert terms_asked(TEXT)["trials"] == "30"


def test_rows_of_other_data_are_never_in_one_table():
    require_same_data({"a": "1", "b": "1"})
    with pytest.raises(MmsearchError, match=r"data: learned from other data than 'a' \('c' did\)"):
        require_same_data({"a": "1", "b": "1", "c": "2"})
