"""Receipts of the test split: what was opened stays on record."""

from pathlib import Path

import pytest

from mmsearch.errors import SelectionError
from mmsearch.selection.receipts import NAME, Chosen, Receipts

FIGURES = {"chosen": {"1": {"mae": 0.5}}}


def chosen(trial: int = 3, seeds=(1, 2, 3)) -> Chosen:
    prints = {"record": "r", "search": "s", "data": "d"}
    return Chosen(trial, {"rate": trial}, "rule", "why", seeds, prints)


def opened(folder: Path, *trials: int) -> Receipts:
    receipts = Receipts(folder)
    for trial in trials:
        receipts.begin(chosen(trial))
        receipts.complete(chosen(trial), FIGURES)
    return receipts


def test_without_an_opening_there_is_none(tmp_path):
    assert Receipts(tmp_path).openings == ()


def test_an_opening_says_what_was_chosen_by_what_rule_when_and_from_what(tmp_path):
    (one,) = opened(tmp_path, 3).openings
    assert (one["trial"], one["rule"], one["why"]) == (3, "rule", "why")
    assert one["fingerprints"] == {"record": "r", "search": "s", "data": "d"}
    assert one["opened_at"].endswith("+00:00")
    assert one["figures"] == FIGURES


def test_an_opening_is_on_record_before_the_split_is_read(tmp_path):
    receipts = Receipts(tmp_path)
    receipts.begin(chosen())
    found = receipts.find(chosen())
    assert found is not None
    assert "figures" not in found


def test_another_winner_is_another_opening_and_so_are_more_seeds(tmp_path):
    receipts = opened(tmp_path, 3, 4)
    receipts.begin(chosen(3, seeds=(1, 2, 3, 4)))
    assert [one["trial"] for one in receipts.openings] == [3, 4, 3]
    assert receipts.find(chosen(3)) == receipts.openings[0]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("trial = 3", "trial = 5"), id="another trial"),
        pytest.param(
            lambda text: "[[opening]]" + text.split("[[opening]]")[2], id="first one gone"
        ),
        pytest.param(lambda text: text.replace("seal", "sea"), id="no seal"),
        pytest.param(lambda text: text.replace("mae = 0.5", "mae = 0.4"), id="better figures"),
        pytest.param(lambda text: text[: len(text) // 2] + "=", id="half a file"),
    ],
)
def test_receipts_that_were_changed_are_noticed(tmp_path, change):
    opened(tmp_path, 3, 4)
    path = tmp_path / NAME
    path.write_text(change(path.read_text()))
    with pytest.raises(SelectionError, match="receipts of the test split were changed"):
        _ = Receipts(tmp_path).openings
