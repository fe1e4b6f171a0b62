"""The project's own cluster file, really started, and what a search there survives.

Needs root and some of Debian's packages, see `lab.why_not`; skipped where it cannot run.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import scenario
from filelock import FileLock
from lab import why_not

from mmsearch import sampling
from mmsearch.trial import Completed, Record, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

NODES = {"head", "worker-1", "worker-2"}
TRIALS = 6
CUT_SHORT, CUT_OFF, UNDRIVEN, HEADLESS, DRAINED, DISKLESS = range(TRIALS)
"""Trials by what happens to them: see `Scenario`. The raylet is killed under the first, too."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """What the scenario has left; it is played once, whichever of pytest's workers comes first."""
    reason = why_not()
    if reason:
        pytest.skip(f"no laboratory of hosts: {reason}")
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "laboratory"
    with FileLock(f"{place}.lock"):
        if not place.exists():
            place.mkdir()
            scenario.play(place)
        assert (place / "story.json").exists(), "it went wrong in another worker of pytest"
    return place


@pytest.fixture(scope="module")
def story(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "story.json").read_text())


def record(folder: Path, name: str) -> Record:
    return sampling.read(f"journal://{folder}/shared/{name}/studies/toy/study.journal")


@pytest.fixture(scope="module")
def sound(folder: Path) -> Record:
    """The search in peace."""
    return record(folder, "sound")


@pytest.fixture(scope="module")
def faulty(folder: Path) -> Record:
    """The search through faults."""
    return record(folder, "faulty")


def curve(trial: Trial) -> list[tuple[int, dict[str, float]]]:
    """What was observed, without what a clock says."""
    return [(o.epoch, dict(o.metrics)) for o in trial.observations]


def started_at(trial: Trial) -> list[int]:
    return [segment.start_epoch for segment in trial.segments]


def test_ray_up_starts_every_machine_of_the_file(story: dict[str, Any]):
    assert "3 local.cluster.node" in story["status"]
    assert "/3.0 CPU" in story["status"]


def test_all_machines_have_the_desks_token_which_others_may_not_read(story: dict[str, Any]):
    (only,) = set(story["tokens"])
    mode, token = only.split()
    assert mode == "600"
    assert len(token) == 64


def test_who_has_another_token_is_not_let_in(story: dict[str, Any]):
    code, said = story["a wrong token"]
    assert code != 0
    assert "invalid or incorrect" in said or "AuthenticationError" in said, said


def test_the_dashboard_is_not_to_be_had_from_elsewhere(story: dict[str, Any]):
    code, said = story["dashboard from the desk"]
    assert code != 0
    assert "Connection refused" in said


def test_a_trial_is_trained_by_two_machines_together(story: dict[str, Any], sound: Record):
    assert len(set(story["training"])) >= 2
    assert story["code in peace"] == 0, story["in peace"]
    for trial in sound.trials:
        assert trial.state == Completed()
        (segment,) = trial.segments
        names = set(segment.node.split(", "))
        assert len(names) == 2
        assert names <= NODES


def test_the_search_leaves_its_files_on_the_shared_disk(folder: Path, sound: Record):
    left = folder / "shared" / "sound" / "studies" / "toy"
    best = tomllib.loads((left / "best.toml").read_text())["provenance"]
    assert (best["trial"], best["value"]) == (sound.incumbent.number, sound.incumbent.value)
    assert (left / best["checkpoint"]).is_dir()


def test_through_all_faults_every_trial_ends_with_the_curve_it_has_in_peace(
    story: dict[str, Any], sound: Record, faulty: Record
):
    assert [trial.state for trial in faulty.trials] == [Completed()] * TRIALS, story["gone on"]
    for undisturbed, trial in zip(sound.trials, faulty.trials, strict=True):
        assert trial.config == undisturbed.config
        assert curve(trial) == curve(undisturbed)
        assert [o.epoch for o in trial.observations] == list(range(1, scenario.EPOCHS + 1))


def test_a_cable_out_for_5_s_costs_nothing(story: dict[str, Any]):
    assert story["attempts after 5 s"] == 0


@pytest.mark.parametrize(
    ("number", "attempts"),
    [(CUT_SHORT, 1), (CUT_OFF, 1), (UNDRIVEN, 0), (HEADLESS, 0), (DRAINED, 0)],
    ids=["raylet killed", "cable out for good", "driver killed", "head killed", "drained"],
)
def test_a_fault_costs_what_was_trained_since_the_checkpoint(
    faulty: Record, number: int, attempts: int
):
    trial = faulty.trials[number]
    first, second = started_at(trial)
    assert first == 0
    assert 0 < second < scenario.EPOCHS
    assert trial.attempts == attempts


def test_a_trial_goes_on_by_other_machines_when_one_is_lost(faulty: Record):
    for number in (CUT_SHORT, CUT_OFF, DRAINED):
        first, second = faulty.trials[number].segments
        assert first.node != second.node


def test_a_disk_that_is_away_is_waited_for_and_costs_nothing(story: dict[str, Any], faulty: Record):
    assert "is away; waiting for it to come back" in story["gone on"]
    assert "is back after" in story["gone on"]
    trial = faulty.trials[DISKLESS]
    assert trial.attempts == 0
    assert len(trial.segments) == 1


def test_a_driver_without_a_head_says_so_and_what_to_do(story: dict[str, Any]):
    said, code = story["without a head"]
    assert code == 2, said
    assert (
        "error: Ray: the head of the cluster at 10.77.0.11:6379 has not answered for 30 s" in said
    )
    assert "go on with the same command" in said
    assert "Traceback" not in said


def test_ray_down_leaves_no_process_on_any_machine(story: dict[str, Any]):
    assert "down" in story["seconds"], "the scenario waits for it"


def test_the_laboratory_fits_the_tests(story: dict[str, Any]):
    """Printed with `pytest -rP`: where its time goes."""
    print(json.dumps(story["seconds"], indent=1))
    assert story["seconds"]["up"] > 0
