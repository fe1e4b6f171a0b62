"""What is left after many trials, and after many kills.

    python benchmarks/endurance.py memory --trials 300
    python benchmarks/endurance.py kills --kills 100

`memory`: resident memory and open files of the driver and of each process of one gang while it
trains many short trials of Self-MI.
`kills`: while a search with a gang for each core runs, random ones of its processes are killed with
SIGKILL at random moments: a worker, a gang's leader, and one time in five the driver, after which
the same command resumes. After each death of the driver, and at the end, everything that the search
started must be gone; after any other, another trial must come to its end; and at the end the record
must be readable. Unusual: all descendants are noted before every kill, since a dead parent knows
none.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from mmsearch import sampling

PATIENCE_S = 120.0
"""How long what was started may take to go after its driver was killed."""


class Search:
    """One search by its command, and the processes that come of it."""

    def __init__(self, folder: str, *options: str) -> None:
        self._known: set[psutil.Process] = set()
        self._folder = folder
        self._options = options
        self._resume = False
        self.process = self._started()

    @property
    def journal(self) -> Path:
        """Its record."""
        return Path(self._folder, "endured", "study.journal")

    def again(self) -> None:
        """The same command, on what is on record."""
        self._resume = self.journal.exists()
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "mmsearch.tune", "selfmi", "--out", self._folder]
        command += ["--name", "endured", *self._options, *(["--resume"] if self._resume else [])]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def ended(self) -> int:
        """Trials with an ending."""
        content = self.journal.read_bytes() if self.journal.exists() else b""
        return content.count(b'"mmsearch/ending"')

    def noted(self) -> list[psutil.Process]:
        """All that live now, the driver first; they are remembered."""
        try:
            driver = psutil.Process(self.process.pid)
            live = [driver, *driver.children(recursive=True)]
        except psutil.NoSuchProcess:
            live = []
        self._known |= set(live)
        return live

    def of_kind(self, kind: str) -> list[int]:
        """Process ids."""
        live = self.noted()
        return [one.pid for one in live if _kind(one) == kind]

    def gone(self) -> float:
        """Waits until nothing is left; seconds that it took."""
        started = time.monotonic()
        while left := [one for one in self._known if _lives(one)]:
            assert time.monotonic() - started < PATIENCE_S, f"left behind: {left}"
            time.sleep(0.2)
        return time.monotonic() - started


def _kind(process: psutil.Process) -> str | None:
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    name = " ".join(words)
    if "mmsearch.tune" in words:
        return "driver"
    title = name.split(".")[0].split(":")[-1].strip()
    return {"GangWorker": "worker", "ResourceTrainable": "leader"}.get(title)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _usage(pid: int) -> tuple[float, int]:
    """Resident MiB that are its own, and open files."""
    status = Path(f"/proc/{pid}/smaps_rollup").read_text()
    private = [line.split() for line in status.splitlines() if line.startswith("Private_")]
    return sum(int(words[1]) for words in private) / 1024, len(
        list(Path(f"/proc/{pid}/fd").iterdir())
    )


def memory(asked: argparse.Namespace) -> None:
    """Prints a row whenever so many trials have ended."""
    marks = [mark for mark in (10, 50, 100, 200, 300, 500, 1000) if mark <= asked.trials - 5]
    options = ["--trials", str(asked.trials), "--max-epochs", "1"]
    options += ["--set", 'sampler.kind="random"', "--set", 'scheduler={kind="none"}']
    options += ["--set", "resources.concurrent=1"]
    print("| trials | driver | leader | worker |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        search = Search(folder, *options)
        for mark in [*marks, asked.trials - 5]:
            while search.ended() < mark:
                assert search.process.poll() is None, "the search has ended"
                time.sleep(0.1)
            pids = [search.of_kind(kind) for kind in ("driver", "leader", "worker")]
            assert all(pids), "a process of the gang is gone"
            usages = [_usage(pid[0]) for pid in pids]
            cells = " | ".join(f"{mib:.1f} MiB, {files} files" for mib, files in usages)
            print(f"| {mark} | {cells} |", flush=True)
        search.noted()
        assert search.process.wait() == 0
        print(f"\nall gone {search.gone():.1f} s after the end")


def kills(asked: argparse.Namespace) -> None:
    """Kills, waits, resumes, and looks at what is left."""
    rng = random.Random(asked.seed)
    options = ["--trials", "100000", "--max-epochs", "9"]
    options += ["--set", 'sampler.kind="random"', "--set", "scheduler.first_rung=3"]
    done: Counter[str] = Counter()
    slowest = {"gone": 0.0, "trained": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        search = Search(folder, *options)
        while sum(done.values()) < asked.kills:
            kind = "driver" if rng.random() < 0.2 else rng.choice(["worker", "worker", "leader"])
            time.sleep(rng.uniform(0.0, asked.longest_s))
            victims = search.of_kind(kind)  # notes the others as well
            if not victims:  # It is starting.
                assert search.process.poll() is None, "the search has ended"
                continue
            os.kill(rng.choice(victims), signal.SIGKILL)
            done[kind] += 1
            if kind == "driver" or search.process.poll() is not None:
                search.process.wait()
                slowest["gone"] = max(slowest["gone"], search.gone())
                search.again()
                continue
            slowest["trained"] = max(slowest["trained"], _trains(search))
        search.process.send_signal(signal.SIGINT)
        search.process.wait()
        gone = search.gone()
        record = sampling.read(f"journal://{search.journal}")
        states = Counter(type(trial.state).__name__ for trial in record.trials)
    print(f"killed: {dict(done)}; trials: {dict(states)}")
    print(f"after a driver's death the last process was gone within {slowest['gone']:.1f} s")
    print(f"after any other death a trial ended within {slowest['trained']:.1f} s")
    print(f"after the end all were gone in {gone:.1f} s")


def _trains(search: Search) -> float:
    """Waits until another trial has ended, or the search itself; seconds that it took."""
    before, started = search.ended(), time.monotonic()
    while search.ended() == before and search.process.poll() is None:
        assert time.monotonic() - started < PATIENCE_S, "no trial ends any more"
        time.sleep(0.1)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("memory")
    one.add_argument("--trials", type=int, default=300)
    one.set_defaults(action=memory)
    other = commands.add_parser("kills")
    other.add_argument("--kills", type=int, default=100)
    other.add_argument("--seed", type=int, default=0)
    other.add_argument("--longest-s", type=float, default=8.0, help="between two kills")
    other.set_defaults(action=kills)
    asked = parser.parse_args()
    asked.action(asked)


if __name__ == "__main__":
    main()
