"""Faults of one machine, done for real to a search with real Ray and real training.

Each study has gangs of two workers, one gang at a time. What a fault leaves is compared with the
record of the same study undisturbed.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from mmsearch import sampling
from mmsearch.errors import MmsearchError
from mmsearch.trial import Completed, Failed, Record, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

HERE = Path(__file__).parent
EPOCHS = 12
STUDY = f"""
method = "faulty_method.py"
dataset = "mfeat"
budget = {{ trials = 9, max_epochs = {EPOCHS} }}
sampler = {{ kind = "random" }}
scheduler = {{ kind = "none" }}
resources = {{ workers = 2, concurrent = 1 }}
space = {{ learning_rate = {{ log_uniform = [1e-3, 1e-1] }} }}
[objective]
metric = "valid/accuracy"
direction = "maximize"
"""
SAVING = [{"epoch": epoch, "what": "wait", "rank": 0} for epoch in range(1, 11)]
"""Deeds that make a trial slow enough to be saved on its way, if the one before it in the same gang
was slow at its end, or there was none: how fast trials are decides how often they report."""
LINGERING = [*SAVING, *[{"epoch": 11, "what": "wait", "rank": 0}] * 6]
"""And that leave time to do something to it afterwards."""
PLANNED_AGAIN = 4
"""Trial that runs out of memory once."""
Deeds = list[dict[str, Any]]


@dataclass(frozen=True)
class Bench:
    """A folder with the study, the method and what was found of them."""

    folder: Path
    drivers: list[subprocess.Popen[str]] = field(default_factory=list)

    def plan(self, sound: Record, deeds: dict[int, Deeds]) -> None:
        """What is to go wrong, by trial."""
        told = [
            {"rate": sound.trials[number].config["learning_rate"], **deed}
            for number, listed in deeds.items()
            for deed in listed
        ]
        (self.folder / "plan.json").write_text(json.dumps(told))

    def tune(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "impatient_tune.py"), "toy.toml", *options]
        driver = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.drivers.append(driver)
        return driver

    def record(self) -> Record:
        return sampling.read(f"journal://{self.folder / 'studies' / 'toy' / 'study.journal'}")

    def has_saved(self, number: int) -> bool:
        """Whether this trial runs and can be resumed."""
        try:
            trial = self.record().trials[number]
        except (MmsearchError, IndexError):
            return False
        return trial.checkpoint is not None and trial.ended_at is None

    def log(self, name: str) -> str:
        return (self.folder / "studies" / "toy" / "logs" / name).read_text(errors="replace")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Bench]]:
    benches: list[Bench] = []

    def new() -> Bench:
        folder = tmp_path_factory.mktemp("faults")
        shutil.copy(HERE / "faulty_method.py", folder)
        (folder / "toy.toml").write_text(STUDY)
        benches.append(Bench(folder))
        return benches[-1]

    yield new
    for driver in (driver for one in benches for driver in one.drivers if driver.poll() is None):
        for process in psutil.Process(driver.pid).children(recursive=True):
            process.kill()
        driver.kill()
        driver.communicate()


@pytest.fixture(scope="module")
def sound(bench: Callable[[], Bench]) -> Record:
    """The study undisturbed."""
    undisturbed = bench()
    with clean():
        finish(undisturbed.tune())
    return undisturbed.record()


@pytest.fixture(scope="module")
def faulty(bench: Callable[[], Bench], sound: Record) -> Bench:
    """The study with a fault in most of its trials."""
    disturbed = bench()
    disturbed.plan(
        sound,
        {
            0: [
                *SAVING,
                {"epoch": 11, "what": "die", "rank": 1},
                {"epoch": 12, "what": "kill the gang", "rank": 0},
            ],
            2: [{"epoch": 3, "what": "be NaN"}],
            3: [{"epoch": 2, "what": "fail", "rank": 1}],
            PLANNED_AGAIN: [{"epoch": 2, "what": "run out of memory"}],
            5: [{"epoch": 4, "what": "sleep", "rank": 1}],
            6: [{"epoch": 2, "what": what, "rank": 0} for what in ("sleep", "loop", "freeze")],
            7: [{"epoch": 2, "what": "die", "rank": 0, "always": True}],
        },
    )
    with clean():
        finish(disturbed.tune())
    return disturbed


@pytest.fixture(scope="module")
def interrupted(bench: Callable[[], Bench], sound: Record) -> Bench:
    """The study, whose Ray is killed while it trains trial 0, and its driver while trial 1."""
    disturbed = bench()
    slow_to_the_end = [*LINGERING, {"epoch": 12, "what": "wait", "rank": 0}]
    disturbed.plan(sound, {0: slow_to_the_end, 1: LINGERING})
    with clean():
        driver = disturbed.tune()
        wait_for(lambda: disturbed.has_saved(0))
        (raylet,) = [p for p in psutil.Process(driver.pid).children() if p.name() == "raylet"]
        raylet.kill()
        said = finish(driver, code=2)
        assert "Ray: the raylet of this machine has died. Nothing on record is lost" in said
        assert "with the same command and --resume" in said
    driver = disturbed.tune("--resume")
    wait_for(lambda: disturbed.has_saved(1))
    before = disturbed.record()
    left = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    finish(disturbed.tune("--resume"))
    # Workers end within seconds; Ray's own agents look for their head for a minute.
    _, alive = psutil.wait_procs(left, timeout=150)
    assert not alive, "processes of the killed driver live on"
    assert disturbed.record().trials[0] == before.trials[0], "an ending is not touched again"
    return disturbed


def finish(driver: subprocess.Popen[str], code: int = 0) -> str:
    said, _ = driver.communicate(timeout=900)
    assert driver.returncode == code, said
    assert "Traceback" not in said
    return said


def wait_for(condition: Callable[[], bool], timeout_s: float = 600.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.2)


@contextmanager
def clean() -> Iterator[None]:
    """Asserts that no process of ours and nothing in shared memory outlives what is done here."""
    memory, ours = shared_memory(), set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= ours
    assert shared_memory() <= memory


def shared_memory() -> set[str]:
    """What Ray keeps there."""
    return {path.name for path in Path("/dev/shm").glob("plasma*")}


def curve(trial: Trial) -> list[tuple[int, dict[str, float]]]:
    """What was observed, without what a clock says."""
    return [(o.epoch, dict(o.metrics)) for o in trial.observations]


def assert_same_curve(undisturbed: Trial, trial: Trial) -> None:
    """Whole if the trial completed: every epoch once."""
    whole = curve(undisturbed)
    assert [epoch for epoch, _ in whole] == list(range(1, EPOCHS + 1))
    done = len(whole) if isinstance(trial.state, Completed) else trial.epoch
    assert trial.config == undisturbed.config
    assert curve(trial) == whole[:done]


def started_at(trial: Trial) -> list[int]:
    return [segment.start_epoch for segment in trial.segments]


def test_whatever_happens_to_trials_the_others_get_their_endings(sound: Record, faulty: Bench):
    states = [trial.state for trial in sound.trials]
    assert states == [Completed()] * 9
    found = faulty.record().trials
    failed = {t.number: t.state.reason for t in found if isinstance(t.state, Failed)}
    assert failed == {2: "nan", 3: "error", 6: "hang", 7: "lost"}
    assert all(t.state == Completed() for t in found if t.number not in failed)
    assert [t.attempts for t in found] == [2, 0, 0, 0, 0, 1, 3, 3, 0]


def test_every_curve_is_that_of_the_undisturbed_study_bit_for_bit(sound: Record, faulty: Bench):
    for undisturbed, trial in zip(sound.trials, faulty.record().trials, strict=True):
        if trial.number != PLANNED_AGAIN:
            assert_same_curve(undisturbed, trial)
    assert faulty.record().trials[2].epoch == 2


def test_a_trial_that_ran_out_of_memory_completes_with_another_plan(sound: Record, faulty: Bench):
    undisturbed, trial = (one.trials[PLANNED_AGAIN] for one in (sound, faulty.record()))
    assert trial.state == Completed()
    assert len(trial.segments) == 1
    for (epoch, values), (same_epoch, expected) in zip(
        curve(trial), curve(undisturbed), strict=True
    ):
        assert epoch == same_epoch
        assert values == pytest.approx(expected, abs=1e-3)
    log = faulty.log(f"trial-{PLANNED_AGAIN:04d}.log")
    plans = "ZeRO stage {}, micro-batches of 75".format
    assert f"out of memory with {plans(0)}; again with {plans(1)}: RuntimeError" in log


def test_a_killed_worker_and_a_killed_gang_cost_what_was_trained_since_the_checkpoint(
    faulty: Bench,
):
    first, second, third = started_at(faulty.record().trials[0])
    assert first == 0
    assert 0 < second <= third <= EPOCHS


def test_a_trial_that_hung_says_so_and_its_log_says_where(faulty: Bench):
    message = "it hung on each of 3 gangs; its log says where"
    assert faulty.record().trials[6].state == Failed("hang", message)
    log = faulty.log("trial-0006.log")
    assert "the gang hangs; this worker is at:" in log
    assert "in sleep" in log


def test_ray_or_the_driver_killed_and_resumed_the_study_ends_as_if_undisturbed(
    sound: Record, interrupted: Bench
):
    found = interrupted.record().trials
    for undisturbed, trial in zip(sound.trials, found, strict=True):
        assert trial.state == Completed()
        assert_same_curve(undisturbed, trial)
    for number in (0, 1):
        first, second = started_at(found[number])
        assert first == 0
        assert 0 < second < EPOCHS
    assert not list(interrupted.folder.rglob("*.lock"))
