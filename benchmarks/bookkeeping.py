"""What a trial costs the driver beside training, Ray and proposing: its record, orders and files.

    python benchmarks/bookkeeping.py --trials 10000

Simulated gangs answer at once. Every trial is drawn at random, begun, observed at a rung and at its
end, and closed; one in three gets past the rung. The record is a real journal on disk, synced at
each write, or lies in memory, which leaves what mmsearch itself does. Times are of the last tenth
of the trials, where the record is longest.
Then observations a second, with journal, view, tables and curves: 20 trials of 2,000 epochs that
are reported 50 at a time, as a gang does with epochs of 20 ms.
"""

import argparse
import io
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from quality.mine import in_memory
from rich.console import Console

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Go, Order, Ready, Stretch
from mmsearch.cluster.troubles import Listener
from mmsearch.curves import Curves
from mmsearch.sampling import Ledger, open_ledger, proposals
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

    def __init__(
        self, ledger: Ledger, folder: Path, listeners: list[Listener], *, ends: Sequence[int]
    ) -> None:
        """`ends` are the epochs at which a gang reports."""
        self._mail: deque[tuple[str, Order]] = deque()
        self._at: dict[str, tuple[int, int]] = {}
        self._ends = ends
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
    """When trials ended, and how long proposing took until then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.proposing: list[float] = []
        self._spent = 0.0
        self._propose = proposals.propose

    def propose(self, *trials: Any, **asked: Any) -> dict[str, Any]:
        """As `proposals.propose`, timed."""
        started = time.perf_counter()
        try:
            return self._propose(*trials, **asked)
        finally:
            self._spent += time.perf_counter() - started

    def began(self, trial: object) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: object, observations: object) -> None:
        """See `cluster.Listener`."""

    def ended(self, trial: object) -> None:
        """See `cluster.Listener`."""
        self.times.append(time.perf_counter())
        self.proposing.append(self._spent)


def measured(trials: int, folder: Path, *, on_disk: bool, files: bool) -> tuple[float, float]:
    """Milliseconds a trial without proposing, and of proposing."""
    study = replace(STUDY, budget=replace(STUDY.budget, trials=trials))
    ledger = _journal(study, folder) if on_disk else in_memory(study)
    clock = Clock()
    listeners: list[Listener] = [clock, *(everything(ledger, folder) if files else ())]
    full = study.budget.max_epochs
    with ledger, mock.patch.object(proposals, "propose", clock.propose):
        Gangs(ledger, folder, listeners, ends=(*study.scheduler.rungs(full), full)).run()
    last = trials // 10
    wall, proposing = (
        1000 * (kind[-1] - kind[-1 - last]) / last for kind in (clock.times, clock.proposing)
    )
    return wall - proposing, proposing


def observations(folder: Path) -> float:
    """Observations a second, with everything on."""
    trials, epochs, stretch = 20, 2000, 50
    budget = Budget(trials=trials, max_epochs=epochs)
    study = replace(STUDY, budget=budget, scheduler=Scheduler("none"))
    with _journal(study, folder) as ledger:
        listeners = everything(ledger, folder)
        started = time.perf_counter()
        Gangs(ledger, folder, listeners, ends=range(stretch, epochs + 1, stretch)).run()
    return trials * epochs / (time.perf_counter() - started)


def everything(ledger: Ledger, folder: Path) -> list[Listener]:
    """All that a search of a user has listen: tables, live view, TensorBoard."""
    return [
        Files(folder, ledger.study, ledger.record),
        View(Console(file=io.StringIO()), ledger.study, ledger.record),
        Curves(folder / "tensorboard", ledger.study, metrics=["valid/mae"]),
    ]


def _journal(study: Study, folder: Path) -> Ledger:
    return open_ledger(f"journal://{folder / 'study.journal'}", study, provenance={}, resume=False)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    asked = parser.parse_args()
    print(
        "| trials | in memory, ms a trial | journal on disk | with view, tables and curves "
        "| proposing at random |\n|---|---|---|---|---|"
    )
    for trials in asked.trials:
        cells: list[str] = []
        proposing = 0.0
        for on_disk, files in ((False, False), (True, False), (True, True)):
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder).resolve()
                spent, proposing = measured(trials, out, on_disk=on_disk, files=files)
                cells.append(f"{spent:.2f}")
        cells.append(f"{proposing:.2f}")
        print(f"| {trials:,} | " + " | ".join(cells) + " |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n{observations(Path(folder).resolve()):,.0f} observations a second")


if __name__ == "__main__":
    main()
