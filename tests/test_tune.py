"""`python -m mmsearch.tune` as a user calls it: real Ray, Optuna, DeepSpeed and TensorBoard."""

import csv
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from mmsearch import sampling
from mmsearch.trial import Completed, Record, Running

SMALL = ("--set", "scheduler.first_rung=1", "--max-epochs", "3")
ASKED = ("--trials", "1", "--max-epochs", "1", "--set", 'scheduler={kind="none"}')


def command(out: Path, *options: str, study: str = "selfmi") -> list[str]:
    return [sys.executable, "-m", "mmsearch.tune", study, "--out", str(out), *options]


def tune(out: Path, *options: str, study: str = "selfmi") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *options, study=study),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        cwd=out,
    )


def record(out: Path, name: str = "selfmi") -> Record:
    return sampling.read(f"journal://{out / name / 'study.journal'}")


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "selfmi" / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def wait_for(condition, timeout_s: float = 240.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.2)


def ended(out: Path) -> int:
    try:
        trials = record(out).trials
    except Exception:  # noqa: BLE001  the journal is not there yet
        return -1
    return sum(trial.ended for trial in trials)


@pytest.mark.slow
def test_a_search_leaves_a_record_a_table_a_best_configuration_curves_and_logs(tmp_path):
    done = tune(tmp_path, "--trials", "5", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "selfmi"
    found = record(tmp_path)
    assert len(found.trials) == 5
    assert all(trial.ended for trial in found.trials)
    assert isinstance(found.published.state, Completed)
    best = tomllib.loads((folder / "best.toml").read_text())
    assert best["published"].keys() == found.incumbent.config.keys()
    assert len(rows(tmp_path)) == 5
    assert f"{folder / 'report.html'}" in done.stdout
    assert '"name":"selfmi"' in (folder / "report.html").read_text()
    assert sorted(path.name for path in (folder / "tensorboard").glob("trial-*"))[0] == "trial-0000"
    log = (folder / "logs" / "trial-0000.log").read_text()
    assert "trial 0 from epoch 0, ZeRO stage 0, micro-batches of 32: {" in log
    assert "epoch 3  " in log
    kept = {path.name for path in (folder / "checkpoints").iterdir()}
    assert kept == {"trial-0000", f"trial-{found.incumbent.number:04d}"}
    assert "best configuration" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_trial_of_two_workers_is_searched_by_the_same_command(tmp_path):
    done = tune(tmp_path, "--trials", "3", "--workers", "2", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(record(tmp_path).trials) == 3
    assert all(t.ended for t in record(tmp_path).trials)


@pytest.mark.slow
def test_killed_half_way_and_resumed_no_trial_is_lost_or_run_twice(tmp_path):
    options = ("--trials", "8", *SMALL)
    driver = subprocess.Popen(command(tmp_path, *options), stdout=subprocess.DEVNULL, cwd=tmp_path)
    children: list[psutil.Process] = []
    try:
        wait_for(lambda: ended(tmp_path) >= 2)
        children = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    before = {t.number: t for t in record(tmp_path).trials if t.ended}
    # Workers end within seconds; Ray's own agents look for their head for a minute.
    _, alive = psutil.wait_procs(children, timeout=100)
    assert not alive, "processes of the killed study live on"
    done = tune(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"on record   {len(before)} of 8 trials have their ending" in done.stdout
    after = record(tmp_path)
    assert len(after.trials) == 8
    assert all(trial.ended for trial in after.trials)
    assert {number: after.trials[number] for number in before} == before


@pytest.mark.slow
def test_ctrl_c_saves_what_runs_and_resume_goes_on_from_there(tmp_path):
    options = (
        "--trials",
        "4",
        "--max-epochs",
        "60",
        "--set",
        'scheduler={kind="none"}',
        "--set",
        "published.patience=0",
    )
    driver = subprocess.Popen(
        command(tmp_path, *options), stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    wait_for(lambda: ended(tmp_path) >= 0 and any(t.epoch > 2 for t in record(tmp_path).trials))
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130
    assert "Go on with the same command" in said
    running = [t for t in record(tmp_path).trials if isinstance(t.state, Running) and t.epoch]
    assert running
    assert all(trial.checkpoint.epoch == trial.epoch for trial in running)
    done = tune(tmp_path, *options, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    resumed = record(tmp_path).trials[running[0].number]
    assert isinstance(resumed.state, Completed)
    assert [o.epoch for o in resumed.observations] == list(range(1, resumed.epoch + 1))


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once_and_leaves_no_process(tmp_path):
    driver = subprocess.Popen(
        command(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    wait_for(lambda: ended(tmp_path) >= 1)
    children = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGINT)
    time.sleep(0.2)
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A study of one trial on record."""
    out = tmp_path_factory.mktemp("recorded")
    done = tune(out, *ASKED)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_a_finished_study_asked_for_again_says_so_and_starts_nothing(recorded):
    before = rows(recorded)
    (recorded / "selfmi" / "trials.csv").unlink()
    log = (recorded / "selfmi" / "logs" / "driver.log").read_bytes()
    done = tune(recorded, *ASKED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 trials have their ending: the study is finished" in done.stdout
    assert "1 completed of 1" in done.stdout
    assert "best configuration" in done.stdout
    assert rows(recorded) == before
    assert (recorded / "selfmi" / "logs" / "driver.log").read_bytes() == log


@pytest.mark.slow
def test_a_study_on_record_is_not_searched_as_another_one_under_its_name(recorded):
    done = tune(recorded, "--trials", "1", "--seed", "7")
    assert done.returncode == 2
    assert "seed: 0 on record, 7 asked for" in done.stderr
    assert "budget.max_epochs: 1 on record, 27 asked for" in done.stderr
    assert "--resume remembers its overrides" in done.stderr
    assert "--name" in done.stderr


@pytest.mark.slow
def test_an_override_that_contradicts_the_record_is_refused_with_the_difference(recorded):
    done = tune(recorded, "--resume", "--seed", "7")
    assert done.returncode == 2
    assert "seed: 0 on record, 7 asked for" in done.stderr


@pytest.mark.slow
def test_a_finished_study_resumed_without_its_overrides_has_nothing_to_do(recorded):
    done = tune(recorded, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 completed of 1" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seed", "one"), "--seed"),
        (("--set", "budget.trails=3"), "Did you mean 'trials'"),
        (("--set", "space.learning_rate_other={log_uniform=[0.0,1.0]}"), "low > 0"),
        (("--set", 'objective.metric="test/mae"'), "test"),
        (("--set", "deepspeed.train_batch_size=8"), "train_batch_size"),
        (("--deadline", "yesterday"), "--deadline"),
        (("--resume",), "no record here"),
        (("--data", "nowhere", "--set", 'dataset="mosi"'), "mosi"),
    ],
    ids=["type", "typo", "bound", "test split", "deepspeed", "deadline", "resume", "data"],
)
def test_a_mistake_is_answered_before_anything_starts(tmp_path, options, words):
    done = tune(tmp_path, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_study_is_answered_with_the_closest_name(tmp_path):
    done = tune(tmp_path, study="selfmii")
    assert done.returncode == 2
    assert "selfmi" in done.stderr


def test_a_dry_run_prints_the_space_and_leaves_nothing(tmp_path):
    done = tune(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "cpc_weight" in done.stdout
    assert not list(tmp_path.iterdir())


def test_help_answers_in_under_a_second():
    command = [sys.executable, "-m", "mmsearch.tune", "--help"]
    fastest = min(_seconds(command) for _ in range(3))
    assert fastest < 1.0


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    return time.perf_counter() - started
