"""The page of a study: its data is the record's, and a browser shows it without a complaint."""

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from toy_report import a_record, a_study

from mmsearch.report import write_figures, write_page
from mmsearch.report.facts import facts
from mmsearch.report.latex import best_table, space_table
from mmsearch.report.page import embedded
from mmsearch.report.standing import state_name
from mmsearch.report.toml import published_shape
from mmsearch.selection.told import summed
from mmsearch.study import Study, pareto_set
from mmsearch.trial import Completed, Record

STUDY = a_study(trials=60)
RECORD = a_record(STUDY)
TWO = a_study(trials=30, others='others = { "valid/corr" = "maximize" }')
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(RECORD, STUDY, path, written_at=0.0)
    return path


def data_of(path: Path) -> dict[str, Any]:
    found: list[str] = []

    class Reader(HTMLParser):
        inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = dict(attrs).get("id") == "facts"

        def handle_data(self, data: str) -> None:
            if self.inside:
                found.append(data)
                self.inside = False

    Reader(convert_charrefs=False).feed(path.read_text(encoding="utf-8"))
    return json.loads("".join(found))


def test_the_page_holds_every_trial_as_the_record_has_it(page):
    found = data_of(page)
    assert found["incumbent"] == RECORD.incumbent.number
    assert sum(found["counts"].values()) == len(RECORD.trials)
    for row, trial in zip(found["trials"], RECORD.trials, strict=True):
        assert row["number"] == trial.number
        assert row["state"] == state_name(trial.state)
        assert row["value"] == trial.value
        assert row["coordinates"] == trial.coordinates
        curve = [o.metrics["valid/mae"] for o in trial.observations]
        assert row["curves"][0] == pytest.approx(curve, rel=1e-4)
        text = found["toml"]["header"] + "".join(found["toml"]["pieces"][p] for p in row["pieces"])
        config = {key: value for key, value in trial.config.items() if value is not None}
        assert tomllib.loads(text)["published"] == config


def test_a_configuration_in_published_shape_is_the_same_in_toml():
    config = {"fusion": {"kind": "low_rank", "rank": 4}, "rate": 1e-7, "off": None, "zero": 0.0}
    read = tomllib.loads(published_shape(config))["published"]
    assert read == {"fusion": {"kind": "low_rank", "rank": 4}, "rate": 1e-7, "zero": 0.0}
    assert isinstance(read["zero"], float)


def test_the_page_asks_no_network_and_no_file(page):
    text = re.sub(r'<script type="application/json".*?</script>', "", page.read_text(), flags=re.S)
    assert not re.findall(r"https?://|//cdn|@import|<link[^>]+stylesheet|<script src", text)


def test_no_text_of_a_study_ends_the_script_that_holds_it(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert data_of(page)["provenance"] == RECORD.provenance
    assert json.loads(embedded({"a": "</script><!-- \u2028 & ü"})) == {
        "a": "</script><!-- \u2028 & ü"
    }


def test_what_is_no_number_is_none(tmp_path):
    first = RECORD.trials[0]
    broken = replace(first.observations[0], metrics={"valid/mae": nan, "valid/corr": inf})
    record = replace(RECORD, trials=(replace(first, observations=(broken,), value=nan),))
    write_page(record, STUDY, tmp_path / "report.html")
    (row,) = data_of(tmp_path / "report.html")["trials"]
    assert row["value"] is None
    assert row["curves"] == [[None], [None]]


def test_with_several_objectives_the_page_holds_the_pareto_set():
    record = a_record(TWO)
    found = facts(record, TWO, written_at=0.0)
    assert found["pareto"] == list(pareto_set(TWO, record.trials))
    completed = [t for t in record.trials if isinstance(t.state, Completed)]
    assert sum("objectives" in row for row in found["trials"]) == len(completed)


def test_a_thousand_trials_of_fifty_epochs_stay_below_five_megabytes(tmp_path):
    study = a_study(trials=1000, epochs=50)
    record = a_record(study)
    few = replace(record, trials=record.trials[:10])
    whole = facts(few, study, written_at=0.0)
    # Importances and correlations take seconds and no room: they are those of ten trials here.
    rows = facts(replace(few, trials=record.trials), replace(study, scheduler=NONE), written_at=0.0)
    assert len(embedded(whole | {"trials": rows["trials"], "toml": rows["toml"]})) < 4_500_000


NONE = replace(STUDY.scheduler, kind="none")


def test_the_table_of_the_best_is_that_of_the_ranking():
    text = best_table(RECORD, STUDY)
    first = RECORD.ranking[0]
    assert rf"trial {first.number} &" in text
    assert f"valid/mae & {first.value:.4f} &" in text
    assert r"fusion.low\_rank.rank" in text
    assert "the best of many is optimistic" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in rows}) == 1
    assert best_table(replace(RECORD, trials=()), STUDY) == ""


def test_the_table_of_the_space_names_every_parameter():
    text = space_table(STUDY)
    assert text.count(r"\\") == 1 + len(STUDY.space.describe())
    assert r"fusion = low\_rank" in text
    assert r"zero\_or\_log\_uniform" in text


def test_figures_are_vector_pdf_files_with_embedded_fonts(tmp_path):
    files = write_figures(RECORD, STUDY, tmp_path / "figures")
    assert [file.stem for file in files] == ["progress", "curves", "importances", "rungs"]
    for file in files:
        content = file.read_bytes()
        assert content.startswith(b"%PDF")
        assert b"/Type3" not in content
        assert b"/Subtype /Image" not in content
    before = files[0].read_bytes()
    assert write_figures(RECORD, STUDY, tmp_path / "figures")[0].read_bytes() == before


def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is here")
    return found


def shown(path: Path, folder: Path, *, width: int = 1280) -> tuple[str, str]:
    """What a browser makes of a page, and what it complains of."""
    done = subprocess.run(
        [
            browser(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder}",
            f"--window-size={width},900",
            "--enable-logging=stderr",
            "--virtual-time-budget=4000",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(said)


def cases() -> dict[str, tuple[Record, Study]]:
    one = replace(RECORD, trials=RECORD.trials[:1])
    nothing = replace(RECORD, trials=())
    two = a_record(TWO)
    young = replace(RECORD, trials=(replace(RECORD.trials[-1], observations=(), value=None),))
    return {
        "many": (RECORD, STUDY),
        "one": (one, STUDY),
        "none": (nothing, STUDY),
        "begun": (replace(young, trials=(replace(young.trials[0], number=0),)), STUDY),
        "two objectives": (two, TWO),
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", ["many", "one", "none", "begun", "two objectives"])
def test_a_browser_draws_the_page_without_a_complaint(case, tmp_path):
    record, study = cases()[case]
    write_page(record, study, tmp_path / "report.html")
    dom, said = shown(tmp_path / "report.html", tmp_path / "profile", width=420)
    assert said == ""
    main = dom[dom.index("<main") : dom.index("<footer")]
    assert "NaN" not in main
    assert ("No trial has been trained" in main) == (record.incumbent is None)
    assert len(re.findall(r'<tr data-trial="\d', main)) == min(100, len(record.trials))
    assert ('id="pareto"' in main) == bool(study.others)
    assert 'id="race"' not in main


RACE: dict[str, Any] = {
    "troubles": ["receipts.toml: <changed>"],
    "selection": {
        "trial": 2,
        "rule": "the rule",
        "why": "decided",
        "searched": sum(trial.ended for trial in RECORD.trials) - 2,
        "level": 0.95,
        "noise": 0.01,
        "epochs": 40.0,
        "budget_epochs": 50.0,
    },
    "candidates": [
        {
            "trial": number,
            "published": number == 0,
            "chosen": number == 2,
            "tied": number > 0,
            "seeds": 4,
            "mean": 0.61 + number / 100,
            "sd": 0.01,
            "expected": 0.612,
            "low": 0.6,
            "high": 0.62,
            "probability_best": 0.5,
            "failures": {"3": "nan"} if number == 1 else {},
        }
        for number in (2, 1, 0)
    ],
    "test": [
        {
            "opened_at": "2026-12-01T10:00:00+00:00",
            "trial": trial,
            "rule": "the rule",
            "why": "decided",
            "chosen": summed({"1": {"mae": 0.5}, "2": {"mae": 0.7}}),
            "published": summed({"1": {"mae": 0.75}}),
        }
        for trial in (1, 2)
    ],
}


@pytest.mark.slow
def test_a_browser_shows_the_race_and_every_opening_of_test(tmp_path):
    write_page(RECORD, STUDY, tmp_path / "report.html", race=RACE)
    dom, said = shown(tmp_path / "report.html", tmp_path / "profile")
    assert said == ""
    race = dom[dom.index('<section id="race"') :]
    race = race[: race.index("</section>")]
    assert "receipts.toml: &lt;changed&gt;" in race
    assert "2 trials ended after this choice" in race
    assert "Test was opened 2 times" in race
    assert race.count("Test, opened 2026-12-01T10:00:00+00:00") == 2
    assert "0.6000 ± 0.1414 (-0.6706 to 1.8706), 2 seeds" in race
    assert "0.7500, 1 seed<" in race
    assert "seed 3 failed (nan)" in race
    assert 'class="badge chosen"' in race
    assert "NaN" not in race
    assert "undefined" not in race
