"""Nodes that join are used, nodes that leave take only their trials."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_dispatcher import FakeLedger
from toy_nodes import nodes

from mmsearch import sampling
from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Order, Ready
from mmsearch.cluster.places import EVERY_S, Places
from mmsearch.cluster.room import Room
from mmsearch.errors import MmsearchError
from mmsearch.trial import Completed, Record, Running

HERE = Path(__file__).parent
EPOCHS = 4
TRIALS = 24
STUDY = f"""
method = "slow_method.py"
dataset = "mfeat"
budget = {{ trials = {TRIALS}, max_epochs = {EPOCHS} }}
sampler = {{ kind = "random" }}
scheduler = {{ kind = "none" }}
space = {{ learning_rate = {{ log_uniform = [1e-3, 1e-1] }} }}
[objective]
metric = "valid/accuracy"
direction = "maximize"
"""
LINGER = """

def linger() -> None:
    if (HERE / "slow").exists():
        time.sleep(0.4)
"""


def test_places_follow_the_nodes_at_their_own_pace() -> None:
    now, rooms = 0.0, [Room(4, 0.0), Room(4, 0.0, coming=2), Room(0, 0.0)]
    places = Places(Room(2, 0.0), lambda: rooms.pop(0), clock=lambda: now)
    assert not places.look()
    found = []
    for _ in range(3):
        now += EVERY_S
        found.append((places.look(), places.gangs, places.wanted))
        assert not places.look()
    assert found == [(True, 4, 4), (False, 4, 6), (True, 1, 1)]


def test_machines_that_stay_are_not_counted_again() -> None:
    places = Places(Room(2, 0.0), clock=lambda: 0.0)
    assert (places.look(), places.gangs, places.wanted) == (False, 2, 2)


def test_a_place_more_is_a_trial_more_and_a_place_less_takes_none(tmp_path: Path) -> None:
    ledger, mail = FakeLedger(9), list[tuple[str, Order]]()
    dispatcher = Dispatcher(
        ledger, out=tmp_path, gangs=1, post=lambda gang, order: mail.append((gang, order))
    )
    for gang in ("a", "b"):
        dispatcher.reported(gang, Ready("host"))
    assert [type(order) for _, order in mail] == [Begin]
    dispatcher.resize(3)
    assert len(ledger.trials) == 3
    assert [gang for gang, _ in mail] == ["a", "b"]
    dispatcher.resize(1)
    assert len(ledger.trials) == 3
    assert not dispatcher.finished


class Driver:
    """A search on a cluster, in a process of its own."""

    def __init__(self, folder: Path, address: str) -> None:
        text = (HERE / "faulty_method.py").read_text()
        slow = text.replace("        loss = nn", "        linger()\n        loss = nn") + LINGER
        assert slow != text
        (folder / "slow_method.py").write_text(slow)
        self.slow = folder / "slow"
        self.slow.touch()
        (folder / "toy.toml").write_text(STUDY.replace("slow_", f"{folder}/slow_"))
        self._url = f"journal://{folder / 'studies' / 'toy' / 'study.journal'}"
        command = [sys.executable, "-m", "mmsearch.tune", "toy.toml", "--address", address]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def record(self) -> Record | None:
        try:
            return sampling.read(self._url)
        except MmsearchError:
            return None

    def running(self) -> int:
        """Trials that have trained an epoch and go on."""
        record = self.record()
        trials = record.trials if record else ()
        return sum(isinstance(t.state, Running) and t.epoch > 0 for t in trials)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 300
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end, "timed out"
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("nodes")
def test_a_node_that_joins_is_used_and_one_that_leaves_takes_only_its_trial(tmp_path: Path) -> None:
    with nodes({"num_cpus": 1}) as cluster:
        driver = Driver(tmp_path, cluster.address)
        try:
            driver.wait_for(lambda: driver.running() == 1)
            joined = cluster.add_node(num_cpus=1, object_store_memory=80 * 1024 * 1024)
            driver.wait_for(lambda: driver.running() == 2)
            cluster.remove_node(joined, allow_graceful=False)
            driver.slow.unlink()
            said, _ = driver.process.communicate(timeout=600)
        finally:
            driver.process.kill()
            driver.process.wait()
    assert driver.process.returncode == 0, said
    record = driver.record()
    assert record
    assert [trial.state for trial in record.trials] == [Completed()] * TRIALS
    epochs = list(range(1, EPOCHS + 1))
    assert all([o.epoch for o in trial.observations] == epochs for trial in record.trials)
    assert sum(trial.attempts for trial in record.trials) == 1
