"""`python -m mmsearch.best` as a user calls it: real Ray, replicates, receipts, kills."""

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import sampling
from mmsearch.best.asking import Request, answer
from mmsearch.errors import MmsearchError
from mmsearch.selection.contest import Racing
from mmsearch.selection.receipts import Receipts
from mmsearch.trial import Completed, Record, Running

ROOT = Path(__file__).resolve().parent.parent
STUDY = """
method  = "own_method_example.py"
dataset = "arrays"
data    = "my_data"

[objective]
metric    = "valid/accuracy"
direction = "maximize"

[budget]
trials     = 6
max_epochs = 3

[scheduler]
kind = "none"

[published]
learning_rate = 1e-2

[space]
learning_rate = { log_uniform = [1e-4, 1e-1] }
"""
RACE = ("--candidates", "2", "--budget", "30")


def run(folder: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"mmsearch.{command}", *options, "--concurrent", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def raced(folder: Path) -> Record | None:
    return sampling.find(f"journal://{folder / 'studies' / 'toy' / 'best' / 'study.journal'}")


def ended(folder: Path) -> int:
    race = raced(folder)
    return sum(trial.ended for trial in race.trials) if race else 0


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished search."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copy(ROOT / "tests" / "own_method_example.py", folder)
    (folder / "toy.toml").write_text(STUDY)
    (folder / "my_data").mkdir()
    generator = np.random.default_rng(0)
    for split, rows in (("train", 60), ("valid", 40), ("test", 40)):
        target = np.arange(rows) % 3
        views = {
            name: (np.eye(3)[target] + generator.normal(0, 0.8, (rows, 3))).astype(np.float32)
            for name in ("left", "right")
        }
        np.savez(folder / "my_data" / f"{split}.npz", target=target, **views)
    done = run(folder, "tune", "toy.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_race_killed_and_resumed_is_opened_once_and_trains_nothing_when_asked_again(searched):
    folder = searched
    command = [sys.executable, "-m", "mmsearch.best", "toy", *RACE, "--concurrent", "2"]
    driver = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600
        while ended(folder) < 2:
            assert driver.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    before = raced(folder)
    assert before is not None
    done = run(folder, "best", "toy", *RACE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test        sealed" in done.stdout
    race = raced(folder)
    assert race is not None
    assert all(t.state == Completed() for t in race.trials)
    kept = {t.number: (t.config, t.seed) for t in before.trials}
    assert {n: (race.trials[n].config, race.trials[n].seed) for n in kept} == kept
    assert_follows(folder, race)

    opened = run(folder, "best", "toy", "--open-test")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    again = run(folder, "best", "toy", "--open-test")
    assert again.stdout == opened.stdout
    (receipt,) = Receipts(folder / "studies" / "toy").openings
    written = tomllib.loads((folder / "studies" / "toy" / "selection.toml").read_text())
    assert written["selection"]["trial"] == receipt["trial"]
    assert set(receipt["figures"]["chosen"]) == {str(s) for s in receipt["frozen"]["seeds"]}
    assert set(receipt["figures"]["chosen"]["1"]) == {"accuracy", "f1_weighted", "f1_macro"}
    assert raced(folder) == race, "nothing was trained"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_another_winner_is_another_opening_that_every_later_print_shows(searched):
    study = searched / "studies" / "toy"
    opened = run(searched, "best", "toy", *RACE, "--open-test")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    more = run(searched, "best", "toy", *RACE, "--seeds-at-least", "9", "--open-test")
    assert more.returncode == 0, more.stdout + more.stderr
    assert len(Receipts(study).openings) == 2
    later = run(searched, "best", "toy")
    assert "TEST WAS OPENED 2 TIMES" in later.stdout
    shutil.rmtree(study / "best" / "checkpoints")
    (study / "receipts.toml").unlink()
    gone = run(searched, "best", "toy", "--open-test")
    assert gone.returncode == 2
    assert "has no checkpoint of epoch" in gone.stderr
    assert not (study / "receipts.toml").exists()


def assert_follows(folder: Path, race: Record) -> None:
    """Every replicate is what the record before it asked for, what ran at the time included."""
    asked = answer(request(folder))
    proposer = Racing(asked.search, asked.plan)
    for trial in race.trials:
        then = [
            one if one.ended_at <= trial.started_at else replace(one, state=Running())
            for one in race.trials[: trial.number]
        ]
        wanted = proposer.next(then, 0)
        assert wanted is not None
        assert (wanted.config, wanted.seed) == (trial.config, trial.seed)


def request(folder: Path, study: str = "toy", **race) -> Request:
    return Request(
        study=study,
        out=folder / "studies",
        storage=None,
        address=None,
        machines={},
        race=race,
        simplest=False,
        open_test=False,
    )


@pytest.mark.parametrize(
    ("study", "race", "words"),
    [
        pytest.param("absent", {}, "STUDY: no searched study here, got 'absent'", id="no study"),
        pytest.param("toy", {"budget": "much"}, "--budget: expected a share", id="budget in words"),
        pytest.param("toy", {"budget": "-1"}, "--budget: .*got '-1'", id="budget below zero"),
        pytest.param("toy", {"budget": "nan"}, "--budget: .*got 'nan'", id="no number"),
        pytest.param("toy", {"candidates": 0}, "--candidates: must be at least 1", id="nobody"),
        pytest.param(
            "toy", {"seeds_at_least": 1}, "--seeds-at-least: must be at least 2", id="one seed"
        ),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path, study, race, words):
    real(tmp_path / "studies" / "toy")
    with pytest.raises(MmsearchError, match=words):
        answer(request(tmp_path, study, **race))


def real(folder: Path) -> None:
    """A record of a study that can be read again, without a trial."""
    from mmsearch import methods
    from mmsearch import study as studies

    study = studies.load(studies.find("baseline_mfeat"), schema_of=methods.schema_of, name="toy")
    prints = {"fingerprints": {"data": "0"}}
    url = f"journal://{folder / 'study.journal'}"
    sampling.open_ledger(url, study, provenance=prints, resume=False).leave()


@pytest.mark.parametrize(
    ("text", "share", "epochs"),
    [("25%", 0.25, None), ("0.5", 0.5, None), ("1.0", 1.0, None), ("400", 0.25, 400.0)],
)
def test_a_budget_is_a_share_of_the_search_or_epochs(tmp_path, text, share, epochs):
    real(tmp_path / "studies" / "toy")
    plan = answer(request(tmp_path, budget=text)).plan
    assert (plan.share, plan.epochs) == (share, epochs)


def test_every_replicate_of_a_race_is_trained_in_full(tmp_path):
    real(tmp_path / "studies" / "toy")
    asked = answer(request(tmp_path))
    assert asked.study.scheduler.kind == "none"
    assert asked.study.budget.wall_hours is None
    assert asked.study.scheduler.rungs(asked.study.budget.max_epochs) == ()
