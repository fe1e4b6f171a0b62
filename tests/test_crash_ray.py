"""SIGKILL to the driver of a real search, again and again; the same command follows each time."""

import csv
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_kill import assert_replays, decisions

from mmsearch import methods, sampling
from mmsearch import study as studies
from mmsearch.trial import Completed, Record, Running, Stopped

TRIALS, EPOCHS, GANGS = 5, 20, 2
PATIENCE_S = 900
"""A busy machine is slow; a quiet one needs seconds."""
SMALL = (
    *("--trials", str(TRIALS), "--max-epochs", str(EPOCHS), "--concurrent", str(GANGS)),
    *("--set", 'sampler={kind="random"}', "--set", "published.patience=0"),
)
DYING = """
import os, signal
from mmsearch.sampling.book import Book
write = Book.write
def dying(book, number, entry, **keywords):
    write(book, number, entry, **keywords)
    if {when}:
        os.kill(os.getpid(), signal.SIGKILL)
Book.write = dying
from mmsearch.tune.__main__ import app
app()
"""
"""A driver that kills itself right after the first write of a kind."""


class Search:
    """One study's sittings."""

    def __init__(self, out: Path, *options: str) -> None:
        self.out = out
        self.folder = out / "selfmi"
        self.options = (*SMALL, *options)
        self.processes: set[psutil.Process] = set()
        self.epochs_before: dict[int, int] = {}
        self.saved_before: set[Path] = set()

    def record(self) -> Record | None:
        return sampling.find(f"journal://{self.folder / 'study.journal'}", "selfmi")

    def epochs(self) -> dict[int, int]:
        """Epochs on record of running trials, by number."""
        record = self.record()
        trials = record.trials if record else ()
        return {trial.number: trial.epoch for trial in trials if isinstance(trial.state, Running)}

    def saved(self) -> set[Path]:
        """Checkpoints on disk, whether or not the record knows them."""
        return set((self.folder / "checkpoints").glob("trial-*/epoch-????"))

    def completed(self) -> Record:
        """The same command, left alone; the study is complete."""
        done = subprocess.run(
            self._command("-m", "mmsearch.tune"),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            cwd=self.out,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        record = self.record()
        assert record is not None
        assert len(record.trials) == TRIALS
        assert all(trial.ended for trial in record.trials)
        return record

    def killed(self, when: Callable[["Search"], bool], *, winding_down: bool = False) -> Record:
        """The same command, killed from outside as soon as this is so.

        Args:
            when: says so.
            winding_down: whether Ctrl-C has been pressed when the first epochs were on record.
        """
        return self._dead(self._command("-m", "mmsearch.tune"), when, winding_down=winding_down)

    def killed_after_writing(self, when: str) -> Record:
        """The same command, killed right after the first entry of which this is so."""
        return self._dead(self._command("-c", DYING.format(when=when)), lambda _: False)

    def _command(self, *driver: str) -> list[str]:
        return [sys.executable, *driver, "selfmi", "--out", str(self.out), *self.options]

    def _dead(
        self,
        command: list[str],
        when: Callable[["Search"], bool],
        *,
        winding_down: bool = False,
    ) -> Record:
        self.epochs_before, self.saved_before = self.epochs(), self.saved()
        with (self.out / "said.txt").open("a") as said:
            driver = subprocess.Popen(command, stdout=said, stderr=said, cwd=self.out)
        process, deadline = psutil.Process(driver.pid), time.monotonic() + PATIENCE_S
        try:
            while driver.poll() is None and not when(self):
                assert time.monotonic() < deadline, (self.out / "said.txt").read_text()
                self.processes |= set(process.children(recursive=True))
                if winding_down and epochs_are_trained(self):
                    driver.send_signal(signal.SIGINT)
                    winding_down = False
                time.sleep(0.02)
        finally:
            driver.kill()
            driver.wait()
        assert driver.returncode == -signal.SIGKILL, (self.out / "said.txt").read_text()
        record = self.record()
        assert record is not None
        return record


def a_gang_is_being_built(search: Search) -> bool:
    return any("GangWorker" in _name(process) for process in search.processes)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def epochs_are_trained(search: Search) -> bool:
    return any(
        search.epochs_before.get(number, 0) < epoch < EPOCHS
        for number, epoch in search.epochs().items()
    )


def a_running_trial_has_saved(search: Search) -> bool:
    fresh = search.saved() - search.saved_before
    return any(int(path.name.removeprefix("epoch-")) < EPOCHS for path in fresh)


def the_last_trials_wind_down(search: Search) -> bool:
    record = search.record()
    return record is not None and len([t for t in record.trials if t.ended_at]) >= TRIALS - 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_search_killed_six_times_is_the_undisturbed_one_bit_for_bit(tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    alone = ("--set", 'scheduler={kind="none"}')
    undisturbed = Search(tmp_path / "undisturbed", *alone).completed()

    search = Search(tmp_path / "killed", *alone)
    built = search.killed(a_gang_is_being_built)
    assert [trial.segments for trial in built.trials] == [()] * GANGS
    begun = search.killed_after_writing('entry.key.startswith("segments")')
    assert sum(len(trial.segments) for trial in begun.trials) == 1
    trained = search.killed(epochs_are_trained)
    assert any(trial.epoch for trial in trained.trials)
    told = search.killed_after_writing('entry.content.get("ending")')
    (cut,) = [t for t in told.trials if t.epoch == EPOCHS]
    assert isinstance(cut.state, Running)
    saved = search.killed(a_running_trial_has_saved, winding_down=True)
    assert saved.trials[cut.number].state == Completed()
    assert saved.trials[cut.number].segments == cut.segments
    search.killed(the_last_trials_wind_down)
    found = search.completed()

    assert [outcome(found, n) for n in range(TRIALS)] == [
        outcome(undisturbed, n) for n in range(TRIALS)
    ]
    assert_replays(search.folder, the_study(found), gangs=GANGS)
    assert_files_are_right(search.folder, found)
    _, alive = psutil.wait_procs(search.processes, timeout=100)
    assert not alive, "processes of killed drivers live on"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_killed_search_that_stops_trials_decides_from_what_its_rungs_held(tmp_path: Path) -> None:
    halving = ("--set", "scheduler.kind=halving", "--set", "scheduler.first_rung=2")
    search = Search(tmp_path, *halving, "--max-epochs", "8")
    record = search.killed_after_writing('entry.content.get("stop")')
    stopped = record.trials[decisions(search.folder)[-1][0]]
    assert isinstance(stopped.state, Running)
    search.killed_after_writing('entry.content.get("rungs") and not entry.content["stop"]')
    found = search.completed()
    assert found.trials[stopped.number].state == Stopped(max(stopped.rungs))
    assert found.trials[stopped.number].rungs == stopped.rungs
    assert_replays(search.folder, the_study(found), gangs=GANGS)


def outcome(record: Record, number: int) -> dict[str, object]:
    """What a trial was and observed, without what clocks say."""
    trial = record.trials[number]
    assert isinstance(trial.state, Completed)
    return {
        "config": trial.config,
        "seed": trial.seed,
        "attempts": trial.attempts,
        "curve": [(o.epoch, o.metrics) for o in trial.observations],
        "value": (trial.value, trial.value_epoch),
    }


def the_study(record: Record) -> studies.Study:
    return studies.loads(
        record.study_text, place="the record", schema_of=methods.schema_of, name=record.name
    )


def assert_files_are_right(folder: Path, record: Record) -> None:
    """Curves without gap or double, the table, the best configuration, its checkpoint."""
    for trial in record.trials:
        run = EventAccumulator(str(folder / "tensorboard" / f"trial-{trial.number:04d}"))
        run.Reload()
        drawn = [(event.step, event.value) for event in run.Scalars("valid/mae")]
        assert drawn == [
            (o.epoch, pytest.approx(o.metrics["valid/mae"])) for o in trial.observations
        ]
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["completed"] * TRIALS
    assert [float(row["value"]) for row in rows] == [trial.value for trial in record.trials]
    best = tomllib.loads((folder / "best.toml").read_text())["provenance"]
    assert (best["trial"], best["value"]) == (record.incumbent.number, record.incumbent.value)
    assert (folder / best["checkpoint"]).is_dir()
