"""`python -m mmsearch.compare`: rows on equal terms, what is taken, killed, resumed, printed."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_best import ROOT, STUDY, real

from mmsearch import sampling
from mmsearch.compare.asking import answer
from mmsearch.compare.request import Request
from mmsearch.errors import MmsearchError
from mmsearch.study.files import journal_of
from mmsearch.trial import Record

TERMS = ("--budget", "4", "--seeds", "2", "--candidates", "2", "--race-epochs", "12")
FILES = ("table.md", "table.tex", "table.csv", "appendix.md", "appendix.tex", "budget.csv")


def request(out: Path, *methods: str, **more) -> Request:
    given = {
        "methods": methods,
        "datasets": (),
        "overrides": {},
        "machines": {},
        "seeds": 5,
        "candidates": 5,
        "race_epochs": None,
        "out": out,
        "name": None,
        "address": None,
        "against": None,
        "published": None,
        "open_test": False,
        "unequal": False,
    }
    return Request(**{**given, **more})


def test_all_rows_are_searched_on_the_terms_of_the_first_study(tmp_path):
    asked = request(tmp_path, "selfmi", "mim", "baseline", overrides={"budget.trials": 30})
    (block,) = answer(asked)
    selfmi, *others = (entry.study for entry in block.entries)
    assert selfmi.scheduler.first_rung == 9
    assert (selfmi.budget.trials, selfmi.budget.max_epochs) == (30, 27)
    for study in others:
        assert study.objective == selfmi.objective
        assert study.budget == selfmi.budget
        assert study.scheduler == selfmi.scheduler
        assert study.sampler == selfmi.sampler
        assert study.seed == selfmi.seed
    assert [entry.study.method for entry in block.entries] == ["selfmi", "mim", "baseline"]
    assert block.race_epochs == round(30 * 27 / 4)
    assert block.folder == tmp_path / "compare-mosei922"
    assert block.entries[1].folder == block.folder / "mim"


def test_a_dataset_is_given_to_all_and_a_study_made_for_it_goes_first(tmp_path):
    first, second = answer(request(tmp_path, "selfmi", "baseline", datasets=("mosi", "mosei922")))
    assert [entry.study.dataset for entry in first.entries] == ["mosi", "mosi"]
    assert first.entries[0].study.published["text_backbone"]["kind"] != "given", "selfmi_mosi"
    assert [entry.study.dataset for entry in second.entries] == ["mosei922", "mosei922"]
    assert first.entries[1].study.budget == first.entries[0].study.budget
    assert (first.folder.name, second.folder.name) == ("compare-mosi", "compare-mosei922")


def test_a_search_on_other_terms_is_refused_and_let_in_when_asked(tmp_path):
    real(tmp_path / "taken")
    rows = (str(tmp_path / "taken"), "baseline_mfeat")
    with pytest.raises(MmsearchError, match=r"row 'baseline_mfeat': .*trials 100 instead of 0"):
        answer(request(tmp_path, *rows))
    (block,) = answer(request(tmp_path, *rows, unequal=True))
    assert block.dataset == "mfeat"
    assert [entry.search is None for entry in block.entries] == [True, False]


def test_a_search_on_another_dataset_is_refused_always(tmp_path):
    real(tmp_path / "taken")
    with pytest.raises(MmsearchError, match="row 'taken': was searched on mfeat, and the table"):
        answer(request(tmp_path, "baseline", str(tmp_path / "taken"), unequal=True))


@pytest.mark.parametrize(
    ("methods", "more", "words"),
    [
        pytest.param(("selfmi",), {"seeds": 1}, "--seeds: must be at least 2, got 1", id="seeds"),
        pytest.param(
            ("selfmi",), {"candidates": 0}, "--candidates: must be at least 1, got 0", id="nobody"
        ),
        pytest.param(("selfmi",), {"race_epochs": -1}, "--race-epochs: must be", id="negative"),
        pytest.param(("selfmi", "selfmi"), {}, "two rows would be called 'selfmi'", id="twice"),
        pytest.param(("selfmii",), {}, "Did you mean 'selfmi", id="unknown study"),
        pytest.param(
            ("selfmi", "mim"), {"against": "min"}, "Did you mean 'mim'?", id="unknown reference"
        ),
        pytest.param(
            ("selfmi",),
            {"datasets": ("mosi", "sims"), "machines": {"data": "."}},
            "--data: one folder cannot hold 2 datasets",
            id="one folder for two",
        ),
        pytest.param(("selfmi",), {"name": "a/b"}, "--name: must be the name", id="name"),
        pytest.param(
            ("selfmi",), {"overrides": {"budget.trials": 0}}, "override.*greater", id="budget"
        ),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path, methods, more, words):
    with pytest.raises(MmsearchError, match=words):
        answer(request(tmp_path, *methods, **more))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and two studies that have rules of their own."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copy(ROOT / "tests" / "own_method_example.py", folder)
    (folder / "left.toml").write_text(STUDY)
    other = STUDY.replace("1e-2", "1e-3").replace("max_epochs = 3", "max_epochs = 5")
    (folder / "right.toml").write_text(other)
    (folder / "my_data").mkdir()
    generator = np.random.default_rng(0)
    for split, rows in (("train", 60), ("valid", 40), ("test", 40)):
        target = np.arange(rows) % 3
        views = {
            name: (np.eye(3)[target] + generator.normal(0, 0.8, (rows, 3))).astype(np.float32)
            for name in ("left", "right")
        }
        np.savez(folder / "my_data" / f"{split}.npz", target=target, **views)
    return folder


def command(name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", f"mmsearch.{name}", *options, "--concurrent", "2"]


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, *options),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def found(folder: Path) -> Record | None:
    return sampling.find(journal_of(folder))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_comparison_killed_goes_on_takes_what_is_there_and_trains_nothing_twice(place):
    searched = run(place, "tune", "left.toml", "--trials", "4")
    assert searched.returncode == 0, searched.stdout + searched.stderr
    studies = place / "studies"
    before = (studies / "left" / "study.journal").read_bytes()
    right = studies / "compare-arrays" / "right"
    arguments = ("compare", "left.toml", "right.toml", *TERMS)
    driver = subprocess.Popen(command(*arguments), cwd=place, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600
        while not any(trial.ended for trial in (found(right) or Record(*"abc", "", {}, ())).trials):
            assert driver.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()

    done = run(place, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 trials on record in" in done.stdout, "left was searched on the same terms"
    assert (studies / "left" / "study.journal").read_bytes() == before
    records = [found(folder) for folder in (right, studies / "left" / "best", right / "best")]
    assert all(record is not None for record in records)
    block = studies / "compare-arrays"
    assert_figures(block / "table.csv", {"left": studies / "left", "right": right})
    texts = {name: (block / name).read_text() for name in FILES}
    assert "Test data: how often it was looked at | Never" in texts["appendix.md"]

    again = run(place, *arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [found(folder) for folder in (right, studies / "left" / "best", right / "best")] == (
        records
    ), "nothing was trained"
    assert {name: (block / name).read_text() for name in FILES} == texts
    table = done.stdout[done.stdout.index("Methods under equal budgets") :]
    assert again.stdout.endswith(table)

    opened = run(place, *arguments, "--open-test")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    assert "arrays, test." in opened.stdout
    assert opened.stdout.count("receipt") == 2
    refused = run(place, "compare", "left.toml", "right.toml", *TERMS, "--seeds", "3")
    assert refused.returncode == 0, refused.stdout + refused.stderr
    assert "test was opened before" in refused.stdout


def assert_figures(table: Path, folders: dict[str, Path]) -> None:
    """Each mean and deviation is that of the first two replicates of what was chosen."""
    import tomllib

    with table.open() as file:
        rows = {(row["row"], row["metric"]): row for row in csv.DictReader(file)}
    for label, folder in folders.items():
        chosen = tomllib.loads((folder / "selection.toml").read_text())["published"]
        race = found(folder / "best")
        assert race is not None
        values = sorted(
            (trial.seed.replicate, trial.value)
            for trial in race.trials
            if trial.config == chosen and trial.value is not None
        )[:2]
        row = rows[label, "accuracy"]
        figures = [value for _, value in values]
        assert float(row["mean"]) == pytest.approx(np.mean(figures))
        assert float(row["sd"]) == pytest.approx(np.std(figures, ddof=1))
        assert row["seeds"] == "2"
