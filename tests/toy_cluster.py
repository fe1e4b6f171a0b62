"""A simulated cluster: fake gangs that a seeded world lets report in an order of its own.

The real dispatcher drives the real ledger over a real journal. What a trial observes is a function
of its configuration, seed and epoch. Which of the live trials reports next is a function of the
world and of where the trials stand on record, so two sittings with the same live trials hear the
same order. When gangs come up, and when a resumed trial repeats epochs that are on record, is luck.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from toy_ledger import PROVENANCE, STUDY, journal

from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.dispatcher import Dispatcher, Listener
from mmsearch.cluster.messages import Begin, Broken, Finish, Order, Ready, Report, Save, Stretch
from mmsearch.sampling import find, open_ledger
from mmsearch.seeds import Seed, derive
from mmsearch.study import Study
from mmsearch.trial import Checkpoint, Failed, Observation, Running, Trial, start_epoch

PATIENCE = 3
"""Epochs without a better value after which a trial of width 16 has completed."""


@dataclass(frozen=True)
class World:
    """What a driver is given from outside; all of it follows from the seed."""

    seed: int
    study: Study = STUDY
    gangs: int = 3
    only_rungs: bool = False
    """Whether the order is kept only of reports that reach a rung or end a trial: the others come
    by luck, and after a kill stretches end at other epochs."""

    def draw(self, *what: object) -> float:
        """A number in [0, 1)."""
        return derive(self.seed, 0, 0, repr(what)) / 2**63

    @property
    def ends(self) -> tuple[int, ...]:
        """Epochs past which no stretch goes."""
        full = self.study.budget.max_epochs
        return (*self.study.scheduler.rungs(full), full)

    @property
    def slow(self) -> bool:
        """Whether trials are so long that no proposal is made ahead."""
        return self.draw("slow?") < 0.5

    def observation(self, trial: Trial, epoch: int) -> Observation:
        noise = trial.seed.stream(f"noise/{epoch}") / 2**63
        value = trial.config["weight"] + trial.config["rate"] + 1 / epoch + 0.5 * noise
        metrics = {"valid/mae": value, "valid/corr": -value, "train/loss": 1 / epoch}
        return Observation(epoch, metrics, train_seconds=noise * (100 if self.slow else 1))

    def last(self, trial: Trial) -> int:
        """Epoch at which the trial has completed."""
        best, best_epoch = float("inf"), 0
        for epoch in range(1, self.ends[-1]):
            value = self.observation(trial, epoch).metrics["valid/mae"]
            if value < best:
                best, best_epoch = value, epoch
            if trial.config["width"] == 16 and epoch - best_epoch >= PATIENCE:
                return epoch
        return self.ends[-1]

    def diverges(self, trial: Trial) -> int | None:
        """Epoch at which the trial turns NaN."""
        return self._epoch("nan", trial.number) if self.draw("nan?", trial.number) < 0.15 else None

    def breaks(self, trial: Trial) -> int | None:
        """Epoch that is to come and in which the trial's gang is lost; some lose every gang."""
        doomed = self.draw("doomed?", trial.number) < 0.12
        epochs = {
            attempt: self._epoch("lost", trial.number, 0 if doomed else attempt)
            for attempt in range(trial.attempts + 1)
            if doomed or self.draw("lost?", trial.number, attempt) <= 0.15
        }
        epoch = epochs.get(trial.attempts)
        # Never before the last loss: how far a lost segment had reported may be luck.
        return epoch if epoch and epoch == max(epochs.values()) > trial.epoch else None

    def _epoch(self, *what: object) -> int:
        return 1 + int(self.draw(*what) * self.ends[-1])

    def until(self, trial: Trial, epoch: int, sitting: int) -> int:
        """Epoch at which a stretch from `epoch` on ends."""
        of = (trial.number, sitting if self.only_rungs else 0)
        further = range(epoch + 1, self.last(trial))
        ends = (e for e in further if e in self.ends or self.draw("until", *of, e) < 0.5)
        return next(ends, self.last(trial))

    def turn(self, trial: Trial) -> float:
        """Of live trials, the one with the lowest is to be heard next."""
        stands = trial.epoch
        if self.only_rungs:
            known = (self.diverges(trial), self.breaks(trial), self.last(trial), *self.ends)
            stands = min(epoch for epoch in known if epoch and epoch > trial.epoch)
        return self.draw("turn", trial.number, stands, trial.attempts)


class Sitting:
    """One driver and its gangs, from opening the record to the last `Finish`."""

    def __init__(
        self, world: World, folder: Path, *, number: int = 0, listeners: Sequence[Listener] = ()
    ) -> None:
        self._world = world
        self._number = number
        self._luck = Random(f"{world.seed}/{number}")
        known = find(journal(folder), world.study.name)
        self.ledger = open_ledger(
            journal(folder), world.study, provenance=PROVENANCE, resume=known is not None
        )
        self._coming = [f"gang-{index}" for index in range(world.gangs)]
        self._mail: dict[str, Order] = {}
        self._begun: dict[str, int] = {}
        self._epoch: dict[str, int] = {}
        self._folder: dict[str, Path] = {}
        self._shelf = Shelf(folder / "checkpoints")
        self._shelf.catch_up(self.ledger.record())
        self._dispatcher = Dispatcher(
            self.ledger, out=folder, gangs=world.gangs, post=self._post, listeners=listeners
        )

    def run(self) -> None:
        """Until every gang has finished."""
        with self.ledger:
            while choices := self._choices():
                self._act(self._luck.choice(choices))
            assert self.ledger.unfinished == 0, "gangs and trials wait for each other"

    def _post(self, gang: str, order: Order) -> None:
        assert gang not in self._mail, "two orders for one report"
        self._mail[gang] = order
        if isinstance(order, Begin):
            trial = self.ledger.trial(order.number)
            assert (order.config, order.seed) == (trial.config, trial.seed)
            assert order.seed == Seed(self._world.study.seed, order.number)
            saved = trial.checkpoint
            assert order.checkpoint == (self._shelf.find(saved) if saved else None)
            assert (order.checkpoint is None) == (saved is None), "a checkpoint is lost"
            assert trial.segments[-1].start_epoch == start_epoch(order.checkpoint)
            self._begun[gang] = order.number
            self._epoch[gang] = _load(order)
            self._folder[gang] = Path(order.folder)

    def _choices(self) -> list[str]:
        """Gangs that may do something now."""
        live = [t for t in self.ledger.record().trials if isinstance(t.state, Running)]
        turn = min(live, key=self._world.turn).number if live else None
        return self._coming + [
            gang
            for gang, order in self._mail.items()
            if isinstance(order, Finish | Save)
            or not self._is_in_order(gang)
            or self._begun[gang] == turn
        ]

    def _act(self, gang: str) -> None:
        if gang in self._coming:
            self._coming.remove(gang)
            self._dispatcher.reported(gang, Ready("host"))
        elif isinstance(self._mail[gang], Finish):
            del self._mail[gang]
        else:
            report = self._report(gang)
            del self._mail[gang]
            if report is None:
                self._coming.append(f"{gang}+")
                self._dispatcher.gone(gang)
            else:
                self._dispatcher.reported(gang, report)

    def _is_in_order(self, gang: str) -> bool:
        """Whether the report that comes is one whose place in the order is given."""
        trial = self.ledger.trial(self._begun[gang])
        until = self._world.until(trial, self._epoch[gang], self._number)
        faults = (self._world.breaks(trial), self._world.diverges(trial))
        if until == self._world.last(trial) or any(e and e <= until for e in faults):
            return True
        if self._world.only_rungs:
            return any(trial.epoch < rung <= until for rung in self._world.ends)
        return until > trial.epoch

    def _report(self, gang: str) -> Report | None:
        """What the gang answers to its mail; None when it dies as a whole."""
        world, trial = self._world, self.ledger.trial(self._begun[gang])
        if isinstance(self._mail[gang], Save):
            return self._saved(gang, trial)
        first, until = self._epoch[gang] + 1, world.until(trial, self._epoch[gang], self._number)
        breaks, diverges = world.breaks(trial), world.diverges(trial)
        if breaks and breaks <= min(until, diverges or until):
            whole = world.draw("whole", trial.number, trial.attempts) < 0.5
            return None if whole else Broken(trial.number, "a worker died")
        failed = Failed("nan", f"NaN in {diverges}") if diverges and diverges <= until else None
        ends = diverges if failed and diverges else until + 1
        seen = tuple(world.observation(trial, epoch) for epoch in range(first, ends))
        finished = not failed and until == world.last(trial)
        self._epoch[gang] = until
        saved = None
        if finished or (not failed and world.draw("saves", trial.number, until) < 0.4):
            saved = _save(self._folder[gang], trial.number, until)
        return Stretch(trial.number, seen, finished, failed, saved)

    def _saved(self, gang: str, trial: Trial) -> Report | None:
        """A checkpoint, where none of what may happen comes between."""
        luck = self._luck.random()
        if luck < 0.2:
            return None if luck < 0.1 else Broken(trial.number, "a worker died")
        epoch = self._epoch[gang]
        saved = _save(self._folder[gang], trial.number, epoch) if luck < 0.9 else None
        return Stretch(trial.number, checkpoint=saved)


def _save(folder: Path, number: int, epoch: int) -> Checkpoint:
    path = folder / f"epoch-{epoch:04d}"
    path.mkdir(parents=True, exist_ok=True)
    (path / "state.json").write_text(json.dumps([number, epoch]))
    return Checkpoint(str(path), epoch, world_size=1)


def _load(order: Begin) -> int:
    """Epoch at which a segment starts; its checkpoint must be there, and be the trial's."""
    if order.checkpoint is None:
        return 0
    state = json.loads((Path(order.checkpoint.uri) / "state.json").read_text())
    assert state == [order.number, order.checkpoint.epoch]
    return order.checkpoint.epoch
