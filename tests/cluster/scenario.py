"""What happens to a cluster in the laboratory, from `ray up` to `ray down`, and what came of it.

Two studies are searched that differ in nothing but what goes wrong: one in peace, one through
faults of the machines, each in another trial. A laboratory takes minutes, so all of it happens in
one, and tests read what is left: what was said, what ran where, and the studies' folders.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desk import Desk
from lab import SHARED, Host, Lab, built, command_line, end, wait_for

from mmsearch import sampling
from mmsearch.errors import MmsearchError
from mmsearch.trial import Record, Trial

TESTS = Path(__file__).resolve().parent.parent
EPOCHS = 12
STUDY = f"""
method = "faulty_method.py"
dataset = "mfeat"
budget = {{ trials = 6, max_epochs = {EPOCHS} }}
sampler = {{ kind = "random" }}
scheduler = {{ kind = "none" }}
resources = {{ workers = 2 }}
space = {{ learning_rate = {{ log_uniform = [1e-3, 1e-1] }} }}
[objective]
metric = "valid/accuracy"
direction = "maximize"
"""
SLOWLY = [{"epoch": epoch, "what": "wait", "rank": 0} for epoch in (*range(1, 12), *[11] * 8)]
"""Deeds that make a trial's first attempt slow enough to be saved on its way, and interrupted."""
AWAY_S = 20.0
"""How long the shared disk is away."""
TUNE = "mmsearch tune toy.toml --address auto --out studies"


@dataclass(frozen=True)
class Folder:
    """A study's folder on the shared disk."""

    path: Path

    @classmethod
    def made(cls, lab: Lab, name: str) -> "Folder":
        """A new one."""
        path = lab.shared / name
        path.mkdir()
        shutil.copy(TESTS / "faulty_method.py", path)
        (path / "toy.toml").write_text(STUDY)
        return cls(path)

    @property
    def there(self) -> Path:
        """As hosts see it."""
        return SHARED / self.path.name

    def trials(self) -> tuple[Trial, ...]:
        """On record."""
        try:
            return self.record().trials
        except MmsearchError:
            return ()

    def record(self) -> Record:
        return sampling.read(f"journal://{self.path}/studies/toy/study.journal")

    def is_under_way(self, number: int) -> bool:
        """Whether this trial runs, and can be resumed."""
        trials = self.trials()
        return len(trials) > number and bool(trials[number].checkpoint) and not trials[number].ended

    def has_segments(self, number: int, count: int) -> bool:
        """Whether this trial has been taken up so often."""
        trials = self.trials()
        return len(trials) > number and len(trials[number].segments) >= count


class Scenario:
    """Plays it; `story` holds what was seen, as JSON has it."""

    def __init__(self, lab: Lab, desk: Desk) -> None:
        self._lab = lab
        self._desk = desk
        self.story: dict[str, Any] = {}

    def play(self) -> None:
        """All of it, in order."""
        self._up()
        self._doors()
        sound = Folder.made(self._lab, "sound")
        self._in_peace(sound)
        faulty = Folder.made(self._lab, "faulty")
        self._plan(faulty, sound.record())
        self._machines_fail(faulty)
        self._driver_dies(faulty)
        self._head_dies(faulty)
        self._go_on(faulty)
        self._down()

    def _up(self) -> None:
        with self._timed("up"):
            self.story["prepare"] = self._desk.run("python clusters/prepare.py")
            self._ray_up()
        token = "stat --format %a ~/.ray/auth_token && cat ~/.ray/auth_token"
        self.story["tokens"] = [host.command(token).stdout for host in self._lab.hosts]

    def _ray_up(self) -> None:
        """Until all nodes are there; half a minute, which Ray gives a head, may be too little."""
        tries = (self._desk.try_("ray up -y cluster.yaml") for _ in range(3))
        code, said = next((one for one in tries if one[0] == 0), (1, "never came up"))
        assert code == 0, said
        wait_for(lambda: all(self._raylets(host) for host in self._lab.workers))
        wait_for(self._all_joined, every_s=2.0)

    def _all_joined(self) -> bool:
        """Whether Ray has all nodes."""
        self.story["status"] = self._desk.run("ray exec cluster.yaml 'ray status'")
        return f"/{len(self._lab.workers) + 1}.0 CPU" in self.story["status"]

    def _doors(self) -> None:
        """What can be had of the cluster from elsewhere, and with another token."""
        head = self._lab.head.address
        look = "python -c 'import urllib.request as r; print(r.urlopen(\"http://{}:8265\").status)'"
        self.story["dashboard from the desk"] = self._desk.try_(look.format(head))
        ask = f"RAY_AUTH_MODE=token RAY_AUTH_TOKEN={{}} ray status --address {head}:6379"
        self.story["a wrong token"] = self._desk.try_(ask.format("0" * 64))

    def _in_peace(self, sound: Folder) -> None:
        with self._timed("in peace"):
            command = f"ray exec cluster.yaml 'cd {sound.there} && {TUNE}'"
            with self._desk.running(command) as search:
                wait_for(lambda: len(self._training()) >= 2 or search.poll() is not None)
                self.story["training"] = [host.name for host in self._training()]
                self.story["in peace"], _ = search.communicate(timeout=600)
        self.story["code in peace"] = search.returncode

    def _plan(self, faulty: Folder, sound: Record) -> None:
        """The first attempt at each trial is slow."""
        rates = [trial.config["learning_rate"] for trial in sound.trials]
        plan = [{"rate": rate, **deed} for rate in rates for deed in SLOWLY]
        (faulty.path / "plan.json").write_text(json.dumps(plan))

    def _machines_fail(self, faulty: Folder) -> None:
        """A cable out for a while, a raylet killed, a cable out for good; the driver killed."""
        search = self._tune(self._lab.head, faulty)
        with self._timed("a cable out for 5 s"):
            until(search, lambda: faulty.is_under_way(0))
            victim = self._training(self._lab.workers)[0]
            before = faulty.trials()[0].epoch
            victim.plug(out=True)
            time.sleep(5.0)
            victim.plug(out=False)
            until(search, lambda: faulty.trials()[0].epoch > before)
            self.story["attempts after 5 s"] = faulty.trials()[0].attempts
        with self._timed("a raylet killed"):
            for raylet in self._raylets(victim):
                raylet.kill()
            until(search, lambda: faulty.has_segments(0, 2))
        with self._timed("the raylet back"):
            until(search, lambda: faulty.is_under_way(1) and bool(self._raylets(victim)))
        with self._timed("a cable out for good"):
            victim = self._training(self._lab.workers)[0]
            victim.plug(out=True)
            until(search, lambda: faulty.has_segments(1, 2))
            victim.plug(out=False)
        until(search, lambda: faulty.is_under_way(2))
        end(search, signal.SIGKILL)

    def _driver_dies(self, faulty: Folder) -> None:
        """Its successor runs on another host."""
        with self._timed("the driver killed"):
            self._search = self._tune(self._lab.workers[0], faulty)
            until(self._search, lambda: faulty.has_segments(2, 2))

    def _head_dies(self, faulty: Folder) -> None:
        until(self._search, lambda: faulty.is_under_way(3))
        with self._timed("the head killed"):
            self._lab.head.crash()
            said, _ = self._search.communicate(timeout=600)
            self.story["without a head"] = [said, self._search.returncode]

    def _go_on(self, faulty: Folder) -> None:
        with self._timed("another head"):
            self._lab.start(self._lab.head)
            self._ray_up()
        search = self._tune(self._lab.head, faulty)
        until(search, lambda: faulty.is_under_way(4))
        with self._timed("a machine drained"):
            self._drain(self._training(self._lab.workers)[0])
            until(search, lambda: faulty.has_segments(4, 2))
        until(search, lambda: faulty.is_under_way(5))
        nodes = (self._lab.head, *self._lab.workers)
        for host in nodes:
            host.hide(SHARED, away=True)
        time.sleep(AWAY_S)
        for host in nodes:
            host.hide(SHARED, away=False)
        with self._timed("the disk back"):
            self.story["gone on"], _ = search.communicate(timeout=600)

    def _drain(self, host: Host) -> None:
        """Tells Ray that this machine is to be taken away, as a cloud's notice does."""
        known = "import ray; ray.init(address='auto', logging_level=40, log_to_driver=False); "
        known += "ids = {n['NodeManagerAddress']: n['NodeID'] for n in ray.nodes() if n['Alive']}; "
        known += f"print(ids['{host.address}'])"
        drain = "ray drain-node --reason=DRAIN_NODE_REASON_PREEMPTION --reason-message=spot"
        drain += f' --deadline-remaining-seconds=60 --node-id=$(python -c "{known}" | tail -n 1)'
        done = self._lab.head.command(f". ~/mmsearch/settings.sh && {drain}")
        assert done.returncode == 0, done.stdout

    def _down(self) -> None:
        with self._timed("down"):
            self._desk.run("ray down -y cluster.yaml")
            wait_for(lambda: not self._left(), 100.0)

    def _left(self) -> list[str]:
        """What of Ray still runs anywhere."""
        found = [process for host in self._lab.hosts for process in host.processes("/ray/")]
        return [" ".join(command_line(process)) for process in found]

    def _tune(self, host: Host, folder: Folder) -> "subprocess.Popen[str]":
        """The search's command, given on a host."""
        return host.running(f"cd {folder.there} && . ~/mmsearch/settings.sh && {TUNE}")

    def _training(self, among: "tuple[Host, ...] | None" = None) -> list[Host]:
        """Hosts that a gang's worker is on."""
        hosts = self._lab.hosts if among is None else among
        return [host for host in hosts if host.processes("ray::GangWorker")]

    def _raylets(self, host: Host) -> list[Any]:
        return host.processes("raylet/raylet ")

    def _timed(self, name: str) -> "Stopwatch":
        return Stopwatch(self.story, name)


def until(search: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Waits while the search runs; fails with what it says where it ends before that."""
    wait_for(lambda: search.poll() is not None or condition())
    if search.poll() is not None and not condition():
        raise AssertionError(f"the search has ended: {search.communicate()[0]}")


class Stopwatch:
    """Notes in the story how many seconds a part of it took."""

    def __init__(self, story: dict[str, Any], name: str) -> None:
        self._seconds = story.setdefault("seconds", {})
        self._name = name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = round(time.monotonic() - self._started, 1)


def play(folder: Path) -> dict[str, Any]:
    """Builds a laboratory, plays the scenario in it, and takes it down; returns the story."""
    with built(folder, workers=2) as lab:
        scenario = Scenario(lab, Desk(lab))
        try:
            scenario.play()
        finally:
            (folder / "story.json").write_text(json.dumps(scenario.story, indent=1))
    return scenario.story
