"""`tune` on a study that is moved, extended and widened: real Ray, Optuna, DeepSpeed."""

import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import psutil
import pytest
from test_tune import SMALL, command, ended, record, tune, wait_for

from mmsearch import sampling
from mmsearch.trial import Completed, start_epoch

LONG = (
    *("--trials", "3", "--max-epochs", "2000"),
    *("--set", 'scheduler={kind="none"}', "--set", "published.patience=0"),
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_and_moved_a_study_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    driver = subprocess.Popen(command(here, *LONG), stdout=subprocess.DEVNULL, cwd=here)
    children: list[psutil.Process] = []
    try:
        wait_for(lambda: ended(here) >= 0)
        wait_for(lambda: any(t.checkpoint for t in record(here).trials), timeout_s=200)
        children = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    psutil.wait_procs(children, timeout=100)
    shutil.move(here, there)
    before = record(there).trials
    saved = {t.number: t.checkpoint for t in before if t.checkpoint}
    assert saved
    assert not any(Path(checkpoint.uri).is_absolute() for checkpoint in saved.values())

    resumed = subprocess.Popen(
        command(there, "--resume"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=there
    )
    try:
        wait_for(lambda: all(record(there).trials[n].epoch > before[n].epoch for n in saved), 200)
    finally:
        resumed.send_signal(signal.SIGINT)
        assert resumed.wait(120) == 130
    after = record(there).trials
    for number, checkpoint in saved.items():
        assert after[number].segments[-1].start_epoch == start_epoch(checkpoint) > 0
        epochs = [o.epoch for o in after[number].observations]
        assert epochs == list(range(1, after[number].epoch + 1))
        assert after[number].observations[: before[number].epoch] == before[number].observations
    assert not here.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_is_given_more_trials_more_epochs_and_another_space(tmp_path: Path) -> None:
    def sitting(*options: str):
        done = tune(tmp_path, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return record(tmp_path), done.stdout

    first, _ = sitting("--trials", "3", *SMALL, "--set", "published.patience=0")
    best = first.incumbent.number
    longer, said = sitting("--resume", "--trials", "4", "--max-epochs", "6")
    assert (longer.generation, len(longer.trials)) == (2, 4)
    assert "generation  2, with every trial of the one before" in said
    for number in {0, best}:
        trial = longer.trials[number]
        assert trial.segments[-1].start_epoch == 3
        assert trial.observations[:3] == first.trials[number].observations
    assert isinstance(longer.trials[0].state, Completed)
    assert {trial.epoch for trial in longer.ranking} == {6}

    space = "space.cpc_weight={uniform=[0.0,1.0]}"
    refused = tune(tmp_path, "--resume", "--set", space)
    assert refused.returncode == 2
    assert "Add --widen" in refused.stderr
    wider, _ = sitting("--resume", "--widen", "--set", space, "--trials", "5")
    assert (wider.generation, len(wider.trials)) == (3, 5)
    assert [t.observations for t in wider.trials[:4]] == [t.observations for t in longer.trials]
    assert all(trial.ended for trial in wider.trials)
    url = f"journal://{tmp_path / 'selfmi' / 'study.journal'}"
    assert sampling.read(url, "selfmi@1") == first
    best_toml = tomllib.loads((tmp_path / "selfmi" / "best.toml").read_text())
    assert best_toml["provenance"]["trial"] == wider.incumbent.number
