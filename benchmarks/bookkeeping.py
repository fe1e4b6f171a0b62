"""What a trial costs the driver beside training, Ray and proposing: its record, orders and files.

    python benchmarks/bookkeeping.py --trials 10000

Simulated gangs answer at once. Every trial is drawn at random, begun, observed at a rung and at its
end, and closed; one in three gets past the rung. The record is a real journal on disk, synced at
each write, or lies in memory, which leaves what mmsearch itself does. Times are of the last tenth
of the trials, where the record is longest.
"""

import argparse
import io
import tempfile
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from quality.mine import in_memory
from rich.console import Console

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Go, Order, Ready, Stretch
from mmsearch.cluster.troubles import Listener
from mmsearch.curves import Curves
from mmsearch.sampling import Ledger, open_ledger
from mmsearch.seeds import derive
from mmsearch.space import LogUniform, Space, Uniform
from mmsearch.study import Budget, Objective, Sampler, Scheduler, Study
from mmsearch.trial import Observation
from mmsearch.tune.files import Files
from mmsearch.tune.view import View

GANGS = 16
STUDY = Study(
    name="bookkeeping",
    method="bookkeeping",
    dataset="bookkeeping",
    seed=0,
    objective=Objective("valid/mae", "minimize"),
    budget=Budget(trials=1, max_epochs=9),
    space=Space({"rate": LogUniform(1e-5, 1e-1), "dropout": Uniform(0.0, 0.8)}),
    published={"rate": 1e-3, "dropout": 0.1},
    text="name = 'bookkeeping'\n",
    sampler=Sampler("random"),
    scheduler=Scheduler("halving"),
)


class Gangs:
    """Gangs whose epochs take no time."""

    def __init__(self, ledger: Ledger, folder: Path, listeners: list[Listener]) -> None:
        self._mail: deque[tuple[str, Order]] = deque()
        self._at: dict[str, tuple[int, int]] = {}
        self._ends = (*STUDY.scheduler.rungs(STUDY.budget.max_epochs), STUDY.budget.max_epochs)
        self._dispatcher = Dispatcher(
            ledger,
            out=folder,
            gangs=GANGS,
            post=lambda gang, order: self._mail.append((gang, order)),
            listeners=listeners,
        )

    def run(self) -> None:
        """Until all have finished."""
        for gang in range(GANGS):
            self._dispatcher.reported(str(gang), Ready("host"))
        while self._mail:
            gang, order = self._mail.popleft()
            if isinstance(order, Begin):
                self._at[gang] = order.number, 0
            if isinstance(order, Begin | Go):
                self._dispatcher.reported(gang, self._trained(gang))

    def _trained(self, gang: str) -> Stretch:
        number, start = self._at[gang]
        until = next(end for end in self._ends if end > start)
        self._at[gang] = number, until
        worth = derive(0, number, 0, "worth") / 2**63
        seen = tuple(
            Observation(epoch, {"valid/mae": worth + 1 / epoch, "train/loss": 1 / epoch}, 0.1)
            for epoch in range(start + 1, until + 1)
        )
        return Stretch(number, seen, finished=until == self._ends[-1])


class Clock:
    """When trials ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def began(self, trial: object) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: object, observations: object) -> None:
        """See `cluster.Listener`."""

    def ended(self, trial: object) -> None:
        """See `cluster.Listener`."""
        self.times.append(time.perf_counter())


def measured(trials: int, folder: Path, *, on_disk: bool, files: bool) -> float:
    """Milliseconds a trial."""
    study = replace(STUDY, budget=replace(STUDY.budget, trials=trials))
    ledger = _journal(study, folder) if on_disk else in_memory(study)
    clock = Clock()
    listeners: list[Listener] = [clock]
    if files:
        console = Console(file=io.StringIO())
        listeners += [
            Files(folder, study, ledger.record),
            View(console, study, ledger.record),
            Curves(folder / "tensorboard", study, metrics=["valid/mae"]),
        ]
    with ledger:
        Gangs(ledger, folder, listeners).run()
    last = trials // 10
    return 1000 * (clock.times[-1] - clock.times[-1 - last]) / last


def _journal(study: Study, folder: Path) -> Ledger:
    return open_ledger(f"journal://{folder / 'study.journal'}", study, provenance={}, resume=False)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    asked = parser.parse_args()
    print("| trials | in memory, ms a trial | journal on disk | with view, tables and curves |")
    print("|---|---|---|---|")
    for trials in asked.trials:
        cells: list[str] = []
        for on_disk, files in ((False, False), (True, False), (True, True)):
            with tempfile.TemporaryDirectory() as folder:
                cells.append(
                    f"{measured(trials, Path(folder).resolve(), on_disk=on_disk, files=files):.2f}"
                )
        print(f"| {trials:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
