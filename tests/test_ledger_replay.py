"""Whatever happens to a study: reopened, it has the same record and makes the same proposal."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from toy_ledger import STUDY, journal, resume, start

from mmsearch.sampling import proposals, read
from mmsearch.study import Sampler
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Loss,
    Observation,
    Running,
    Segment,
    Stopped,
    Verdict,
)

FINITE = st.floats(0.0, 1.0, allow_nan=False)


class Sitting(RuleBasedStateMachine):
    """A driver that does whatever a driver may do, and is killed and resumed at any moment."""

    @initialize(
        kind=st.sampled_from(["random", "tpe"]),
        direction=st.sampled_from(["minimize", "maximize"]),
        epoch=st.sampled_from(["best", "last"]),
    )
    def open(self, kind: str, direction: str, epoch: str) -> None:
        objective = replace(STUDY.objective, direction=direction, epoch=epoch)
        self.folder = tempfile.TemporaryDirectory()
        self.study = replace(STUDY, sampler=Sampler(kind), objective=objective)
        self.ledger = start(Path(self.folder.name), self.study)
        self.held: set[int] = set()
        self.enough, proposals.ENOUGH = proposals.ENOUGH, 3

    def teardown(self) -> None:
        proposals.ENOUGH = self.enough
        self.ledger.leave()
        self.folder.cleanup()

    @rule(times=st.integers(1, 4))
    def propose(self, times: int) -> None:
        for _ in range(times):
            self.ledger.propose()

    @rule(node=st.text(max_size=3), at=FINITE)
    def begin(self, node: str, at: float) -> None:
        for trial in self.ledger.waiting():
            self.ledger.begin(trial.number, Segment(node, trial.epoch, at))
            self.held.add(trial.number)

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        values=st.lists(FINITE, max_size=5),
        repeated=st.integers(0, 3),
        world=st.none() | st.integers(1, 3),
    )
    def observe(
        self, data: st.DataObject, values: list[float], repeated: int, world: int | None
    ) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        first = max(1, self.ledger.trial(number).epoch + 1 - repeated)
        told = [
            Observation(epoch, {"valid/mae": value, "valid/corr": -value}, value)
            for epoch, value in enumerate(values, start=first)
            if epoch <= self.study.budget.max_epochs
        ]
        checkpoint = Checkpoint(f"at-{first}", first, world) if world else None
        if self.ledger.observe(number, told, checkpoint=checkpoint) is Verdict.STOP:
            self.end(number, Stopped(max(self.ledger.trial(number).rungs)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), fate=st.sampled_from(["complete", "nan", "oom", "lost", "release"]))
    def part(self, data: st.DataObject, fate: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        if fate == "lost":
            self.ledger.lost(number, data.draw(st.sampled_from(get_args(Loss))))
            self.held.remove(number)
        elif fate == "release":
            self.ledger.release(number)
            self.held.remove(number)
        elif fate == "complete" and self.ledger.trial(number).observations:
            self.end(number, Completed())
        elif fate in {"nan", "oom"}:
            self.end(number, Failed(fate, "why \N{SNOWMAN}"))

    def end(self, number: int, ending: Completed | Stopped | Failed) -> None:
        self.ledger.close(number, ending)
        self.held.remove(number)

    @rule()
    def reopen(self) -> None:
        before = self.ledger.record()
        self.ledger.leave()
        self.ledger = resume(Path(self.folder.name), self.study)
        assert self.ledger.record() == before
        assert {trial.number for trial in self.ledger.waiting()} == {
            trial.number for trial in before.trials if isinstance(trial.state, Running)
        }
        self.held = set()

    @rule()
    def propose_twice(self) -> None:
        """The proposal of a ledger, and that of the same ledger reopened from a copy."""
        with tempfile.TemporaryDirectory() as copy:
            content = Path(self.folder.name, "study.journal").read_bytes()
            Path(copy, "study.journal").write_bytes(content)
            with resume(Path(copy), self.study) as reopened:
                theirs = reopened.propose()
        ours = self.ledger.propose()
        assert (theirs is None) == (ours is None)
        if ours and theirs:
            assert replace(theirs, started_at=0.0) == replace(ours, started_at=0.0)

    @invariant()
    def what_is_read_is_what_is_remembered(self) -> None:
        assert read(journal(Path(self.folder.name))) == self.ledger.record()


TestSitting = Sitting.TestCase
TestSitting.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
