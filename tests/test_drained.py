"""Machines that are to be taken away: gangs save and end, and their trials go on elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_dispatcher import EPOCHS, Laboratory
from test_places import TRIALS, Driver
from toy_nodes import MEMORY, nodes

from mmsearch.cluster.messages import Begin, Finish, Ready, Save, Stretch
from mmsearch.trial import Completed

ELSEWHERE = Ready("host", frozenset({"node-9"}))


def leave(lab: Laboratory, *names: str) -> None:
    lab.dispatcher.vacate(frozenset(names))


def test_a_gang_on_a_machine_that_leaves_saves_and_ends_and_its_trial_goes_on_elsewhere(tmp_path):
    lab = Laboratory(tmp_path, trials=4, gangs=2)
    lab.step("gang-0")
    leave(lab, "node-0")
    lab.step("gang-0")
    assert lab.mail["gang-0"] == Save()
    lab.step("gang-0")
    assert lab.mail["gang-0"] == Finish()
    lab.dispatcher.reported("gang-9", ELSEWHERE)
    begin = lab.mail["gang-9"]
    assert isinstance(begin, Begin)
    assert begin.number == 0
    lab.run()
    trial = lab.ledger.trials[0]
    assert [one.start_epoch for one in trial.segments] == [0, 2]
    assert trial.attempts == 0
    assert [one.epoch for one in trial.observations] == list(range(1, EPOCHS + 1))
    assert all(trial.ended for trial in lab.ledger.trials)


def test_a_trial_that_cannot_be_saved_goes_on_from_its_checkpoint_before(tmp_path):
    lab = Laboratory(tmp_path, trials=2, gangs=2)
    lab.step("gang-0")
    leave(lab, "node-0")
    lab.step("gang-0")
    lab.mail.pop("gang-0")
    lab.dispatcher.reported("gang-0", Stretch(0))
    assert lab.mail["gang-0"] == Finish()
    lab.dispatcher.reported("gang-9", ELSEWHERE)
    lab.run()
    assert lab.ledger.trials[0].attempts == 0
    assert isinstance(lab.ledger.trials[0].state, Completed)


def test_an_idle_gang_on_a_machine_that_leaves_ends_at_once_and_once(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=2)
    leave(lab, "node-1")
    assert lab.mail["gang-1"] == Finish()
    leave(lab, "node-1")
    leave(lab, "node-1", "node-7")
    assert not lab.dispatcher.winding_down
    lab.dispatcher.gone("gang-0")
    lab.mail.pop("gang-0")
    lab.dispatcher.reported("gang-9", ELSEWHERE)
    lab.run()
    assert isinstance(lab.ledger.trials[0].state, Completed)


def test_a_trial_that_ends_before_it_is_saved_is_not_trained_again(tmp_path):
    lab = Laboratory(tmp_path, trials=2, gangs=1)
    for _ in range(EPOCHS - 1):
        lab.step("gang-0")
    leave(lab, "node-0")
    lab.step("gang-0")
    assert lab.mail["gang-0"] == Finish()
    assert lab.ledger.trials[0].ended
    lab.dispatcher.reported("gang-9", ELSEWHERE)
    lab.run()
    assert [len(trial.segments) for trial in lab.ledger.trials] == [1, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("nodes")
def test_a_drained_node_takes_no_attempt_and_no_epoch(tmp_path: Path) -> None:
    with nodes({"num_cpus": 1}, {"num_cpus": 1}) as cluster:
        (spot,) = cluster.worker_nodes
        driver = Driver(tmp_path, cluster.address)
        try:
            driver.wait_for(lambda: driver.running() == 2)
            drain(cluster.address, spot.node_id)
            driver.wait_for(lambda: driver.running() == 1)
            cluster.remove_node(spot, allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
            driver.wait_for(lambda: driver.running() == 2)
            driver.slow.unlink()
            said, _ = driver.process.communicate(timeout=600)
        finally:
            driver.process.kill()
            driver.process.wait()
    assert driver.process.returncode == 0, said
    record = driver.record()
    assert record
    assert [trial.state for trial in record.trials] == [Completed()] * TRIALS
    assert sum(trial.attempts for trial in record.trials) == 0
    (moved,) = [trial for trial in record.trials if len(trial.segments) > 1]
    assert moved.segments[1].start_epoch > 0


def drain(address: str, node: str) -> None:
    """What a spot machine's notice comes to."""
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "drain-node", f"--address={address}", f"--node-id={node}"]
    command += ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot"]
    subprocess.run([*command, "--deadline-remaining-seconds=300"], check=True, capture_output=True)
