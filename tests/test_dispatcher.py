"""The dispatcher against a hand-written ledger and gangs: who trains what, whatever breaks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Broken, Finish, Go, Order, Ready, Save, Stretch
from mmsearch.cluster.troubles import Troubles
from mmsearch.seeds import Seed
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Ending,
    Failed,
    Loss,
    Observation,
    Paused,
    Record,
    Running,
    Segment,
    Stopped,
    Trial,
    Verdict,
)

EPOCHS = 4
RUNG = 2


class FakeLedger:
    """Trials in a list; every third one is stopped at the rung, and others paused if wanted."""

    direction = "minimize"

    def __init__(self, trials: int) -> None:
        self.budget = trials
        self.pausing: set[int] = set()
        """Trials that are paused at the rung."""
        self.promising: set[int] = set()
        """Of these, the ones that are promoted, once everything is proposed."""
        self.trials: list[Trial] = []
        self.claimed: set[int] = set()

    def trial(self, number: int) -> Trial:
        return self.trials[number]

    def record(self) -> Record:
        return Record("fake", "valid/mae", "minimize", "", {}, tuple(self.trials))

    def propose(self) -> Trial | None:
        if len(self.trials) == self.budget:
            return None
        number = len(self.trials)
        self.trials.append(Trial(number, {}, {}, Seed(0, number)))
        return self.trials[-1]

    def promote(self) -> Trial | None:
        for trial in self.paused() if len(self.trials) == self.budget else ():
            if trial.number in self.promising:
                self._change(trial.number, state=Running())
                return self.trials[trial.number]
        return None

    def paused(self) -> tuple[Trial, ...]:
        return tuple(t for t in self.trials if isinstance(t.state, Paused))

    def dismissed(self) -> tuple[Trial, ...]:
        return ()

    def prepare(self) -> None:
        """Proposals cost nothing here."""

    @property
    def running(self) -> int:
        return sum(isinstance(t.state, Running) for t in self.trials)

    def waiting(self) -> tuple[Trial, ...]:
        return tuple(
            t for t in self.trials if isinstance(t.state, Running) and t.number not in self.claimed
        )

    def begin(self, number: int, segment: Segment) -> None:
        assert number not in self.claimed
        self.claimed.add(number)
        self._change(number, segments=(*self.trials[number].segments, segment))

    def release(self, number: int) -> None:
        self.claimed.remove(number)

    def lost(self, number: int, loss: Loss = "lost") -> bool:
        self.claimed.remove(number)
        attempts = self.trials[number].attempts + 1
        self._change(number, attempts=attempts, loss=loss)
        if attempts >= 3:
            self._change(number, state=Failed(loss, ""))
        return attempts < 3

    def observe(
        self,
        number: int,
        observations: Sequence[Observation],
        *,
        checkpoint: Checkpoint | None = None,
        ending: Ending | None = None,
    ) -> Verdict:
        trial = self.trials[number]
        fresh = tuple(o for o in observations if o.epoch > trial.epoch)
        rungs = {**trial.rungs, **{o.epoch: 1.0 for o in fresh if o.epoch == RUNG}}
        self._change(
            number,
            observations=trial.observations + fresh,
            value=1.0,
            rungs=rungs,
            checkpoint=checkpoint or trial.checkpoint,
        )
        if not any(o.epoch == RUNG for o in fresh):
            return Verdict.CONTINUE
        if number in self.pausing:
            self._change(number, state=Paused(RUNG))
            return Verdict.PAUSE
        return Verdict.STOP if number % 3 == 2 else Verdict.CONTINUE

    def close(self, number: int, ending: Ending) -> None:
        assert not self.trials[number].ended
        self.claimed.discard(number)
        self._change(number, state=ending)

    def _change(self, number: int, **changes: object) -> None:
        self.trials[number] = replace(self.trials[number], **changes)


class Laboratory:
    """A dispatcher with fake gangs that train an epoch an order."""

    def __init__(
        self, out: Path, trials: int, gangs: int, troubles: Troubles | None = None
    ) -> None:
        self.ledger = FakeLedger(trials)
        self.troubles = troubles
        self.mail: dict[str, Order] = {}
        self.begun: dict[str, Begin] = {}
        self.epochs: dict[str, int] = {}
        self.gangs = gangs
        self.dispatcher = self.sitting(out)
        for index in range(gangs):
            self.dispatcher.reported(f"gang-{index}", Ready("host", frozenset({f"node-{index}"})))

    def sitting(self, out: Path) -> Dispatcher:
        return Dispatcher(
            self.ledger, out=out, gangs=self.gangs, post=self.post, troubles=self.troubles
        )

    def post(self, gang: str, order: Order) -> None:
        assert gang not in self.mail, "a gang got two orders for one report"
        self.mail[gang] = order

    def train_or_finish(self, gang: str) -> Stretch | None:
        """As `train`, but for a gang that is needed no more."""
        if isinstance(self.mail[gang], Finish):
            del self.mail[gang]
            return None
        return self.train(gang)

    def train(self, gang: str) -> Stretch:
        """What an honest gang answers to its mail."""
        order = self.mail.pop(gang)
        if isinstance(order, Begin):
            self.begun[gang] = order
            self.epochs[gang] = order.checkpoint.epoch if order.checkpoint else 0
        begin = self.begun[gang]
        if isinstance(order, Save):
            saved = Checkpoint(
                f"{begin.folder}/epoch-{self.epochs[gang]:04d}", self.epochs[gang], 1
            )
            Path(saved.uri).mkdir(parents=True, exist_ok=True)
            return Stretch(begin.number, checkpoint=saved)
        self.epochs[gang] += 1
        seen = Observation(self.epochs[gang], {"valid/mae": 1.0}, 0.1)
        return Stretch(begin.number, (seen,), finished=self.epochs[gang] == EPOCHS)

    def step(self, gang: str) -> None:
        self.dispatcher.reported(gang, self.train(gang))

    def busy(self) -> list[str]:
        return [gang for gang, order in self.mail.items() if not isinstance(order, Finish)]

    def run(self) -> None:
        while busy := self.busy():
            self.step(busy[0])


def test_every_trial_of_the_budget_gets_an_ending_and_every_gang_finishes(tmp_path):
    lab = Laboratory(tmp_path, trials=7, gangs=3)
    lab.run()
    states = [type(trial.state) for trial in lab.ledger.trials]
    assert states == [Completed, Completed, Stopped, Completed, Completed, Stopped, Completed]
    assert lab.mail == dict.fromkeys(("gang-0", "gang-1", "gang-2"), Finish())


def test_trials_are_proposed_when_one_ends_and_not_when_a_gang_asks(tmp_path):
    ledger = FakeLedger(5)
    mail: list[tuple[str, Order]] = []
    dispatcher = Dispatcher(
        ledger, out=tmp_path, gangs=3, post=lambda gang, order: mail.append((gang, order))
    )
    assert len(ledger.trials) == 3
    dispatcher.reported("gang-0", Ready("host"))
    assert len(ledger.trials) == 3
    dispatcher.reported("gang-0", Stretch(0, failed=Failed("nan", "")))
    assert len(ledger.trials) == 4
    assert [order.number for _, order in mail] == [0, 1]


def test_a_resumed_study_has_the_proposal_that_a_kill_cut_off_before_any_gang_is_up(tmp_path):
    lab = Laboratory(tmp_path, trials=5, gangs=2)
    lab.ledger.close(0, Failed("nan", ""))
    lab.ledger.claimed.clear()
    lab.sitting(tmp_path)
    assert len(lab.ledger.trials) == 3


def test_a_stopped_trial_names_its_rung(tmp_path):
    lab = Laboratory(tmp_path, trials=3, gangs=1)
    lab.run()
    assert lab.ledger.trials[2].state == Stopped(rung=RUNG)


def test_a_trial_that_fails_by_itself_is_closed_and_its_gang_goes_on(tmp_path):
    lab = Laboratory(tmp_path, trials=2, gangs=1)
    lab.mail.clear()
    lab.dispatcher.reported("gang-0", Stretch(0, failed=Failed("nan", "loss is nan at epoch 1")))
    assert lab.ledger.trials[0].state == Failed("nan", "loss is nan at epoch 1")
    assert lab.mail["gang-0"].number == 1


def test_a_broken_gang_begins_its_trial_anew_from_the_last_checkpoint(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    lab.step("gang-0")
    saved = Checkpoint(str(tmp_path / "checkpoints" / "trial-0000" / "epoch-0001"), 1, 1)
    Path(saved.uri).mkdir(parents=True)
    lab.mail.clear()
    lab.dispatcher.reported("gang-0", Stretch(0, checkpoint=saved))
    lab.mail.clear()
    lab.dispatcher.reported("gang-0", Broken(0, "a worker died"))
    assert lab.mail["gang-0"].checkpoint == saved
    assert [segment.start_epoch for segment in lab.ledger.trials[0].segments] == [0, 1]


def test_a_trial_whose_gang_died_goes_to_an_idle_gang(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=2)
    assert list(lab.mail) == ["gang-0"]
    lab.mail.clear()
    lab.dispatcher.gone("gang-0")
    assert lab.mail["gang-1"].number == 0


def test_a_trial_lost_three_times_fails_and_the_study_ends(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    for _ in range(3):
        lab.mail.clear()
        lab.dispatcher.reported("gang-0", Broken(0, "a worker died"))
    assert lab.ledger.trials[0].state == Failed("lost", "")
    assert lab.mail == {"gang-0": Finish()}


def test_a_trial_that_hung_three_times_fails_by_that(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    for _ in range(3):
        lab.mail.clear()
        lab.dispatcher.reported("gang-0", Broken(0, "no worker moves", "hang"))
    assert lab.ledger.trials[0].state == Failed("hang", "")


@pytest.mark.parametrize(("loss", "thrift"), [("oom", [0, 1, 2]), ("lost", [0, 0, 0])])
def test_a_trial_whose_machine_ran_out_of_memory_is_planned_thriftier(tmp_path, loss, thrift):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    found = [lab.mail.pop("gang-0").thrift]
    for _ in range(2):
        lab.dispatcher.reported("gang-0", Broken(0, "a worker was killed", loss))
        found.append(lab.mail.pop("gang-0").thrift)
    assert found == thrift


def test_winding_down_saves_what_runs_and_leaves_it_to_be_resumed(tmp_path):
    lab = Laboratory(tmp_path, trials=5, gangs=2)
    lab.step("gang-0")
    lab.dispatcher.wind_down()
    lab.run()
    assert lab.mail == dict.fromkeys(("gang-0", "gang-1"), Finish())
    assert [t.checkpoint.epoch for t in lab.ledger.trials] == [2, 1]
    assert [t.number for t in lab.ledger.waiting()] == [0, 1]


def test_a_second_sitting_resumes_before_it_proposes(tmp_path):
    lab = Laboratory(tmp_path, trials=4, gangs=1)
    lab.step("gang-0")
    lab.dispatcher.wind_down()
    lab.run()
    lab.mail.clear()
    lab.dispatcher = lab.sitting(tmp_path)
    lab.dispatcher.reported("gang-9", Ready("host"))
    assert lab.mail["gang-9"].number == 0
    assert lab.mail["gang-9"].checkpoint.epoch == 2
    lab.run()
    assert all(trial.ended for trial in lab.ledger.trials)


def test_only_checkpoints_of_the_incumbent_and_the_published_trial_stay(tmp_path):
    lab = Laboratory(tmp_path, trials=3, gangs=1)
    for number in range(3):
        (tmp_path / "checkpoints" / f"trial-{number:04d}" / "epoch-0004").mkdir(parents=True)
    lab.run()
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["trial-0000"]


def test_an_older_checkpoint_goes_when_the_record_knows_a_newer_one(tmp_path):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    folder = tmp_path / "checkpoints" / "trial-0000"
    for epoch in (1, 2):
        (folder / f"epoch-{epoch:04d}").mkdir(parents=True)
        lab.mail.clear()
        saved = Checkpoint(str(folder / f"epoch-{epoch:04d}"), epoch, 1)
        lab.dispatcher.reported("gang-0", Stretch(0, checkpoint=saved))
    assert [path.name for path in folder.iterdir()] == ["epoch-0002"]


def test_what_a_killed_sitting_left_on_the_shelf_is_removed_at_the_next(tmp_path):
    lab = Laboratory(tmp_path, trials=4, gangs=1)
    lab.run()
    shelf = Shelf(tmp_path / "checkpoints")
    for number, epoch in ((0, 2), (0, 4), (1, 4)):
        (shelf.folder(number) / f"epoch-{epoch:04d}").mkdir(parents=True, exist_ok=True)
    newest = Checkpoint(str(shelf.folder(0) / "epoch-0004"), 4, 1)
    lab.ledger._change(0, checkpoint=newest)
    shelf.catch_up(lab.ledger.record())
    assert [str(path) for path in (tmp_path / "checkpoints").glob("*/*")] == [newest.uri]


@settings(max_examples=60, deadline=None)
@given(choices=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=80))
def test_whatever_breaks_no_trial_is_trained_twice_at_once_and_all_end(choices, tmp_path_factory):
    lab = Laboratory(tmp_path_factory.mktemp("study"), trials=6, gangs=3)
    fresh = 3
    for pick, event in choices:
        busy = lab.busy()
        if not busy:
            break
        gang = busy[pick % len(busy)]
        if event == 0:
            del lab.mail[gang]
            lab.dispatcher.gone(gang)
            lab.dispatcher.reported(f"gang-{fresh}", Ready("host"))
            fresh += 1
        elif event == 1:
            begin = lab.mail.pop(gang)
            number = begin.number if isinstance(begin, Begin) else lab.begun[gang].number
            lab.dispatcher.reported(gang, Broken(number, "a worker died"))
        else:
            lab.step(gang)
    lab.run()
    assert len(lab.ledger.trials) == 6
    assert all(trial.ended for trial in lab.ledger.trials)
    assert all(isinstance(order, Finish) for order in lab.mail.values())


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_running_trial_is_told_to_go_on(tmp_path, epoch):
    lab = Laboratory(tmp_path, trials=1, gangs=1)
    for _ in range(epoch):
        lab.step("gang-0")
    assert lab.mail == {"gang-0": Go()}
