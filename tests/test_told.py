"""What cards and pages say of a race and of test: read off files, whatever befell them."""

import json
import tomllib
from pathlib import Path

import pytest
from test_receipts import opened
from toy_race import race, search
from toy_report import a_record, a_study

from mmsearch.report import write_best_toml, write_page
from mmsearch.report.facts import facts
from mmsearch.selection.choice import choose
from mmsearch.selection.contest import Plan
from mmsearch.selection.files import NAME, write_selection
from mmsearch.selection.receipts import NAME as RECEIPTS
from mmsearch.selection.told import summed, told

STUDY = a_study(trials=30)
RECORD = a_record(STUDY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a race that is over, and test opened twice."""
    found = search()
    choice = choose(race(found, Plan(candidates=3, epochs=300)))
    receipts = opened(tmp_path, 3, 4)
    write_selection(choice, receipts.openings, tmp_path / NAME)
    return tmp_path


def test_before_a_race_there_is_nothing_to_tell(tmp_path):
    assert told(tmp_path) == {}
    assert facts(RECORD, STUDY, written_at=0.0, race=told(tmp_path))["race"] is None


def test_card_and_page_tell_the_race_and_every_opening(folder):
    found = told(folder)
    assert [one["trial"] for one in found["test"]] == [3, 4]
    assert found["test"][0]["chosen"]["mae"]["mean"] == 0.5
    assert sum(one["chosen"] for one in found["candidates"]) == 1
    assert found["selection"]["searched"] == len(search().trials)
    write_best_toml(RECORD, STUDY, folder / "best.toml", more=found)
    card = tomllib.loads((folder / "best.toml").read_text())
    assert card["selection"] == found["selection"]
    assert [one["trial"] for one in card["test"]] == [3, 4]
    assert list(card)[-2:] == ["study", "provenance"]
    write_page(RECORD, STUDY, folder / "report.html", race=found)
    assert json.dumps(found["selection"]["rule"]) in (folder / "report.html").read_text()


def test_an_opening_that_was_begun_and_not_completed_is_told(tmp_path):
    from test_receipts import chosen

    from mmsearch.selection.receipts import Receipts

    Receipts(tmp_path).begin(chosen())
    (one,) = told(tmp_path)["test"]
    assert one["trial"] == 3
    assert "chosen" not in one


@pytest.mark.parametrize(
    ("name", "missing"), [pytest.param(RECEIPTS, "test"), pytest.param(NAME, "selection")]
)
def test_files_that_were_changed_are_told_and_end_nothing(folder, name, missing):
    path = folder / name
    path.write_text(path.read_text().replace("trial = 3", "trial = 5").replace("[selection]", "["))
    found = told(folder)
    assert missing not in found
    assert len(found) == 3 - (missing == "selection")
    (trouble,) = found["troubles"]
    assert name in trouble


def test_figures_of_several_seeds_have_students_interval():
    """By hand: mean 2, sd 1, t(0.975, 2) = 4.302653 over the root of 3."""
    (one,) = summed({"1": {"mae": 1.0}, "2": {"mae": 2.0}, "3": {"mae": 3.0}}).values()
    assert (one["mean"], one["sd"], one["seeds"]) == (2.0, 1.0, 3)
    assert one["low"] == pytest.approx(2 - 4.302653 / 3**0.5)
    assert one["high"] == pytest.approx(2 + 4.302653 / 3**0.5)


def test_one_seed_has_no_interval():
    assert summed({"1": {"mae": 1.0}})["mae"] == {
        "mean": 1.0,
        "sd": None,
        "seeds": 1,
        "low": None,
        "high": None,
    }
