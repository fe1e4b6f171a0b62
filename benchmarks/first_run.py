"""From the command to the first observation: where the time goes.

    python benchmarks/first_run.py --repeats 3

Runs `python -m mmsearch.tune selfmi` in a new folder and watches its record grow: Ray is up when
the record's file appears, a gang when the first trial has begun; then comes the first observation.
Medians over repeats; the search is interrupted as soon as it has one. `bare` is what one process
needs to import the same and to train the same first epoch, with no search around it.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

MARKS = {"record": b"", "gang": b"segments/0", "observation": b"observations/1"}
BARE = """
from mmsearch import datasets, methods, study
from mmsearch.seeds import Seed
from mmsearch.training import train
from mmsearch.trial import Verdict
s = study.load(study.find({name!r}), schema_of=methods.schema_of)
d = datasets.load(s.dataset, folder=s.data)
train(s, s.published, seed=Seed(0, 0), data=d, report=lambda o: Verdict.STOP)
"""


def watched(name: str) -> list[float]:
    """Seconds until each mark was seen."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmsearch.tune", name, "--out", folder, "--name", "first"]
        started = perf_counter()
        search = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        journal = Path(folder, "first", "study.journal")
        seen: list[float] = []
        for mark in MARKS.values():
            while not (journal.exists() and mark in journal.read_bytes()):
                assert search.poll() is None, "the search has ended"
                sleep(0.02)
            seen.append(perf_counter() - started)
        search.send_signal(signal.SIGINT)
        search.wait()
    return seen


def bare(name: str) -> float:
    """Seconds of a process without a search."""
    started = perf_counter()
    subprocess.run([sys.executable, "-c", BARE.format(name=name)], check=True, capture_output=True)
    return perf_counter() - started


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", default="selfmi")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    runs, alone = [], []
    for _ in range(asked.repeats):
        runs.append(watched(asked.study))
        alone.append(bare(asked.study))
    record, gang, observation = np.median(runs, axis=0)
    print("| until Ray is up | a gang is up | first observation | bare |\n|---|---|---|---|")
    print(f"| {record:.1f} s | {gang:.1f} s | {observation:.1f} s | {np.median(alone):.1f} s |")


if __name__ == "__main__":
    main()
