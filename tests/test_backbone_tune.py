"""`python -m mmsearch.tune` over raw texts: what networks need is computed once, before trials."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import toy_backbones as toy

from mmsearch import sampling
from mmsearch.errors import StorageError
from mmsearch.trial import Completed, Record, Running

TABLE = """
file = "items.csv"
split = "part"
target = "rating"
loss = "regression"
[columns]
text = "words"
[arrays]
audio = "audio.npy"
"""
STUDY = """
method = "baseline"
dataset = "table"
data = {data}
[objective]
metric = "valid/mae"
direction = "minimize"
[budget]
trials = 3
max_epochs = 2
[scheduler]
first_rung = 1
[published]
batch_size = 8
text_backbone = {{ kind = "fine_tuned", model = {model}, max_tokens = 16 }}
[space.text_backbone.fine_tuned]
learning_rate = {{ log_uniform = [1e-5, 1e-2] }}
"""
FROZEN = """
[space.text_backbone.frozen]
output = {{ choice = ["first", "mean"] }}
model = {{ choice = [{model}, {other}] }}
max_tokens = {{ choice = [8, 16] }}
"""


def written(networks: Path, folder: Path, *, arms: str = "") -> Path:
    """A table of texts with audio features beside them, and a study of it with more arms."""
    parts = ["train"] * 20 + ["valid"] * 8 + ["test"] * 4
    texts = toy.sentences(len(parts))
    with (folder / "items.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("words", "rating", "part"))
        for text, part in zip(texts, parts, strict=True):
            rows.writerow((text, text.count("good") - text.count("bad"), part))
    audio = np.random.default_rng(0).normal(size=(len(parts), 6)).astype(np.float32)
    np.save(folder / "audio.npy", audio)
    (folder / "dataset.toml").write_text(TABLE)
    named = {"data": folder, "model": networks / "bert", "other": networks / "still"}
    study = folder / "words.toml"
    study.write_text(
        (STUDY + arms).format(**{name: json.dumps(str(at)) for name, at in named.items()})
    )
    return study


def command(study: Path, *options: str) -> list[str]:
    out = str(study.parent / "out")
    return [sys.executable, "-m", "mmsearch.tune", str(study), "--out", out, *options]


def tune(study: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(study, *options),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        cwd=study.parent,
        env={**os.environ, "COLUMNS": "200"},
    )


def record(study: Path) -> Record:
    return sampling.read(f"journal://{study.parent / 'out' / 'words' / 'study.journal'}")


def test_a_dry_run_computes_nothing_and_says_what_reads_the_text(
    networks: Path, tmp_path: Path
) -> None:
    study = written(networks, tmp_path, arms=FROZEN)
    done = tune(study, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"  text by     {networks / 'bert'}, fine-tuned, first\n" in done.stdout
    assert "text 8, audio 6\n" in done.stdout
    assert "text_backbone.fine_tuned.learning_rate" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_network_that_is_not_there_is_answered_before_anything_starts(
    networks: Path, tmp_path: Path
) -> None:
    study = written(networks, tmp_path, arms=FROZEN)
    study.write_text(study.read_text().replace(str(networks / "still"), str(tmp_path / "gone")))
    done = tune(study)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"error: model '{tmp_path / 'gone'}': there is no such folder." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_views_are_computed_once_for_all_trials_and_sittings(
    networks: Path, tmp_path: Path
) -> None:
    study = written(networks, tmp_path, arms=FROZEN)
    done = tune(study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    views = sorted((tmp_path / "out" / ".features").iterdir())
    assert len(views) == 2 * 2 * 2 + 1, "two networks, outputs and cuts; and what learns along"
    times = [path.stat().st_mtime_ns for view in views for path in view.iterdir()]
    found = record(study)
    assert len(found.trials) == 3
    assert isinstance(found.published.state, Completed)
    assert found.published.config["text_backbone"]["kind"] == "fine_tuned"
    best = tomllib.loads((tmp_path / "out" / "words" / "best.toml").read_text())
    assert best["published"]["text_backbone"]["kind"] in {"frozen", "fine_tuned"}
    again = tune(study, "--resume")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sorted((tmp_path / "out" / ".features").iterdir()) == views
    assert times == [path.stat().st_mtime_ns for view in views for path in view.iterdir()]
    assert record(study).trials == found.trials


@pytest.mark.slow
def test_a_trial_with_a_network_that_learns_along_goes_on_where_ctrl_c_left_it(
    networks: Path, tmp_path: Path
) -> None:
    study = written(networks, tmp_path)
    options = ("--max-epochs", "100", "--trials", "2", "--set", 'scheduler={kind="none"}')
    driver = subprocess.Popen(
        command(study, *options), stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        wait_until(lambda: any(trial.epoch > 2 for trial in record(study).trials))
        driver.send_signal(signal.SIGINT)
        said, _ = driver.communicate(timeout=120)
    finally:
        driver.kill()
    assert driver.returncode == 130, said
    running = [t for t in record(study).trials if isinstance(t.state, Running) and t.epoch]
    assert running
    done = tune(study, *options, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(isinstance(trial.state, Completed) for trial in record(study).trials)
    resumed = record(study).trials[running[0].number]
    assert [o.epoch for o in resumed.observations] == list(range(1, 101))
    assert len(list((tmp_path / "out" / ".features").iterdir())) == 1


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not _met(condition):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)


def _met(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except StorageError:
        return False  # the journal is not there yet
