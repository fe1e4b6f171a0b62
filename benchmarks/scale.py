"""What a driver carries on a large cluster: 1,000 gangs on 200 nodes, simulated.

    python benchmarks/scale.py --gangs 16 100 1000

Dispatcher, ledger, journal on disk, live view, tables and TensorBoard are real; gangs answer in the
order of a simulated clock, on which an epoch takes a minute, more or less. Ray is left out: what it
adds is in `driver.py`. Each row runs until its trials end or its seconds are over; the start, at
which all gangs are given their first trial, is not among them.

A driver keeps up when it carries more observations a second than its gangs send: `needed`. It holds
its gangs up for as long as its longest report takes. Seconds are of processor time, so that a busy
machine gives the same; waiting for the disk is not in them.
"""

import argparse
import heapq
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import psutil
from bookkeeping import STUDY, everything

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Finish, Go, Order, Ready, Save, Stretch
from mmsearch.sampling import Ledger, open_ledger, proposals
from mmsearch.seeds import derive
from mmsearch.study import Budget, Sampler, Scheduler
from mmsearch.trial import Checkpoint, Observation

EPOCH_S = 60.0
EPOCHS = 27
GANGS_A_NODE = 5
KINDS = {
    "random, halving": (Sampler("random"), Scheduler("halving")),
    "ladder, promotion": (Sampler("ladder"), Scheduler("promotion")),
}


@dataclass
class Simulated:
    """Gangs and what they were told."""

    ledger: Ledger
    folder: Path
    gangs: int
    orders: int = 0
    observations: int = 0
    start_s: float = 0.0
    longest_s: float = 0.0
    _waiting: list[tuple[float, int]] = field(default_factory=list)
    _mail: dict[int, Order] = field(default_factory=dict)
    _begun: dict[int, Begin] = field(default_factory=dict)
    _epochs: dict[int, int] = field(default_factory=dict)
    _now: float = 0.0
    _luck: Random = field(default_factory=lambda: Random(0))

    def run(self, seconds: float) -> float:
        """Seconds that it took after the start."""
        started = time.process_time()
        dispatcher = Dispatcher(
            self.ledger,
            out=self.folder,
            gangs=self.gangs,
            post=self._post,
            listeners=everything(self.ledger, self.folder),
        )
        for gang in range(self.gangs):
            dispatcher.reported(str(gang), Ready(f"node-{gang // GANGS_A_NODE}"))
        running = time.process_time()
        self.start_s, self.orders = running - started, 0
        while self._waiting and time.process_time() - running < seconds:
            self._now, gang = heapq.heappop(self._waiting)
            report = self._report(gang)
            began = time.process_time()
            dispatcher.reported(str(gang), report)
            self.longest_s = max(self.longest_s, time.process_time() - began)
        return time.process_time() - running

    def _post(self, gang: str, order: Order) -> None:
        self.orders += 1
        number = int(gang)
        self._mail[number] = order
        if isinstance(order, Begin):
            self._begun[number] = order
            self._epochs[number] = order.checkpoint.epoch if order.checkpoint else 0
        if not isinstance(order, Finish):
            takes = 1.0 if isinstance(order, Save) else EPOCH_S * self._luck.lognormvariate(0, 0.3)
            heapq.heappush(self._waiting, (self._now + takes, number))

    def _report(self, gang: int) -> Stretch:
        begin, order = self._begun[gang], self._mail[gang]
        if isinstance(order, Save):
            folder = Path(begin.folder) / f"epoch-{self._epochs[gang]:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            saved = Checkpoint(str(folder), self._epochs[gang], world_size=1)
            return Stretch(begin.number, checkpoint=saved)
        assert isinstance(order, Begin | Go)
        self._epochs[gang] += 1
        self.observations += 1
        epoch = self._epochs[gang]
        worth = derive(0, begin.number, 0, "worth") / 2**63
        metrics = {"valid/mae": worth + 1 / epoch, "train/loss": 1 / epoch}
        seen = Observation(epoch, metrics, train_seconds=EPOCH_S)
        return Stretch(begin.number, (seen,), finished=epoch == EPOCHS)


class Proposing:
    """What proposals cost."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.longest_s = 0.0
        self._propose = proposals.propose

    def propose(self, *trials: Any, **asked: Any) -> dict[str, Any]:
        """As `proposals.propose`, timed."""
        started = time.process_time()
        try:
            return self._propose(*trials, **asked)
        finally:
            took = time.process_time() - started
            self.spent_s += took
            self.longest_s = max(self.longest_s, took)


def measured(kind: str, gangs: int, seconds: float) -> str:
    """A row of the table."""
    sampler, scheduler = KINDS[kind]
    budget = Budget(trials=4 * gangs, max_epochs=EPOCHS)
    study = replace(STUDY, budget=budget, sampler=sampler, scheduler=scheduler)
    proposing, process = Proposing(), psutil.Process()
    before = process.memory_info().rss
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(proposals, "propose", proposing.propose),
    ):
        folder = Path(name).resolve()
        url = f"journal://{folder / 'study.journal'}"
        with open_ledger(url, study, provenance={}, resume=False) as ledger:
            simulated = Simulated(ledger, folder, gangs)
            took = simulated.run(seconds)
            proposed = len(ledger.record().trials)
            files = process.num_fds()
        journal = (folder / "study.journal").stat().st_size
    grown = (process.memory_info().rss - before) / 2**20
    cells = [
        kind,
        f"{gangs:,}",
        f"{simulated.start_s:.1f}",
        f"{gangs / EPOCH_S:.1f}",
        f"{simulated.observations / took:.0f}",
        f"{simulated.orders / took:.0f}",
        f"{proposed:,}",
        f"{1000 * proposing.spent_s / proposed:.0f}, {1000 * proposing.longest_s:.0f}",
        f"{simulated.longest_s:.2f}",
        f"{grown:.0f}",
        f"{journal / 2**20:.1f}",
        f"{files:,}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gangs", type=int, nargs="+", default=[16, 100, 1000])
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    print(
        "| sampler, scheduler | gangs | start, s | observations/s needed | carried | orders/s "
        "| trials | proposing, ms: mean, longest | longest report, s | memory, MiB | journal, MiB "
        "| open files |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for kind in KINDS:
        for gangs in asked.gangs:
            print(measured(kind, gangs, asked.seconds), flush=True)


if __name__ == "__main__":
    main()
