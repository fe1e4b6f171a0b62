"""The ledger of one study: proposes trials, writes down what happens to them, says who goes on.

Unusual: it remembers the whole record, so nothing is read from the storage after opening, and it
changes its memory only after the write that makes the change durable. Each call writes one entry;
whatever else Optuna is to show follows from the entries (see `book`).

What a killed driver changes: nothing, given the same order of observations on as many gangs. That
order is which live trial's epochs come next on record; epochs that a resumed trial repeats are not
in it, nor is when gangs come up. Proposals, seeds, verdicts, rungs, attempts and endings are then
those of the uninterrupted search, whichever write the kill fell into. If only those observations
keep their order that reach a rung or end a trial, all of that still holds but for `Trial.seen`,
which counts epochs. Not kept are the segments: each sitting adds its own. Real gangs keep no such
order, so two searches on real machines differ as any two do that were started alike; with a random
sampler and no scheduler, no decision depends on the order, and they do not differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import time
from types import TracebackType
from typing import Any, Self

from mmsearch.sampling import entries, halving, proposals
from mmsearch.sampling.ahead import Forethought, Proposer, seen
from mmsearch.sampling.book import Book, Header, History, plain
from mmsearch.sampling.entries import Entry, Stretch
from mmsearch.sampling.naming import split
from mmsearch.sampling.promotion import Standings
from mmsearch.sampling.scalarising import as_single
from mmsearch.study import Study
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Direction,
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

ATTEMPTS = 3
"""Gangs that a trial may lose before it is given up."""
LOSSES: Mapping[Loss, str] = {
    "lost": "{} gangs were lost while they trained it",
    "hang": "it hung on each of {} gangs; its log says where",
    "oom": "{} gangs were killed for want of memory while they trained it",
}
"""What is said of a trial that lost them, by how it did."""


class Ledger:
    """The open record of a study, held by its only driver. A context manager: leaving closes it."""

    def __init__(
        self,
        study: Study,
        book: Book,
        header: Header,
        *,
        leave: Callable[[], None],
        proposer: Proposer | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._study = study
        self._book = book
        self._header = header
        self._leave = leave
        self._clock = clock
        histories = book.histories()
        self._trials = [history.trial for history in histories]
        self._events = max((history.events for history in histories), default=0)
        self._outside = _outside(study, book, self._trials)
        self._running: set[int] = set()
        self._paused: set[int] = set()
        self._claimed: set[int] = set()
        self._at_rungs = halving.Standings(study)
        for trial in self._trials:
            self._place(trial)
        self._seen = seen(self._trials)
        ours = Forethought(self._configuration, histories, seed=study.seed)
        self._proposer: Proposer = proposer or ours
        for history in histories:
            self._catch_up(history)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Lets go of the storage: another driver may open it."""
        self._leave()

    @property
    def study(self) -> Study:
        """The study as this sitting asked for it."""
        return self._study

    @property
    def unfinished(self) -> int:
        """Trials of the budget that have no ending yet, proposed or not."""
        ended = len(self._trials) - len(self._running) - len(self._paused)
        return max(0, self._study.budget.trials - ended)

    @property
    def direction(self) -> Direction:
        """Of the objective."""
        return self._header.direction

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials, by number, as they stand whenever they are looked at."""
        return self._trials

    def trial(self, number: int) -> Trial:
        """A trial as it stands."""
        return self._trials[number]

    def record(self) -> Record:
        """The whole study as it stands."""
        return record_of(self._book, self._header, self._trials)

    def propose(self) -> Trial | None:
        """A new trial on record, waiting for a gang; None when the budget of trials is used up.

        Trial 0 is the published configuration.
        """
        number = len(self._trials)
        if number >= self._study.budget.trials:
            return None
        proposal = self._proposer.next(self._trials, self._seen)
        if proposal is None:
            return None
        inside = proposal.coordinates is None or proposals.belongs(self._study, proposal.config)
        trial = Trial(
            number=number,
            config=proposal.config,
            coordinates=proposal.coordinates or self._study.coordinates(proposal.config),
            seed=proposal.seed,
            seen=proposal.seen,
            started_at=self._clock(),
        )
        drawn = proposals.parameters(self._study, trial) if inside else ({}, {})
        self._book.create(trial, *drawn, event=self._events)
        self._events += 1
        self._trials.append(trial)
        self._place(trial)
        self._seen += seen([trial])
        self._proposer.proposed(self._trials, self._seen)
        return trial

    def prepare(self) -> None:
        """Makes the next proposal ahead, if trials are so short that it would be waited for."""
        if len(self._trials) < self._study.budget.trials:
            self._proposer.prepare()

    def promote(self) -> Trial | None:
        """Takes a paused trial up again, which then waits for a gang; None if none is worth it."""
        number = self._standings().promoted() if self.paused() else None
        if number is None:
            return None
        self._enter(number, entries.promoted())
        return self._trials[number]

    def paused(self) -> tuple[Trial, ...]:
        """Trials that are held at a rung, by number."""
        return tuple(self._trials[number] for number in sorted(self._paused))

    def dismissed(self) -> tuple[Trial, ...]:
        """Paused trials that are to be stopped now, by number: no promotion will come to them."""
        if not self.paused():
            return ()
        numbers = self._standings().dismissed()
        return tuple(self._trials[number] for number in numbers)

    @property
    def running(self) -> int:
        """Trials that a gang holds or that wait for one."""
        return len(self._running)

    def waiting(self) -> tuple[Trial, ...]:
        """Live trials that no gang holds, by number."""
        return tuple(self._trials[number] for number in sorted(self._running - self._claimed))

    def begin(self, number: int, segment: Segment) -> None:
        """A gang takes a waiting trial."""
        assert number not in self._claimed
        self._enter(number, entries.began(self._live(number), segment))
        self._claimed.add(number)

    def release(self, number: int) -> None:
        """The gang let go of a trial that is paused, or that is to be resumed."""
        self._claimed.discard(number)

    def lost(self, number: int, loss: Loss = "lost") -> bool:
        """The gang that held a trial is gone; whether the trial may be tried again.

        The last attempt that is allowed closes it as failed: as lost, unless all its attempts
        ended in one other way, which is then the trial's own.
        """
        trial = self._live(number)
        attempts = trial.attempts + 1
        if trial.attempts and trial.loss != loss:
            loss = "lost"
        if attempts >= ATTEMPTS:
            self._end(number, Failed(loss, LOSSES[loss].format(attempts)), attempts=attempts)
            return False
        self._enter(number, entries.attempted(attempts, loss))
        self._claimed.discard(number)
        return True

    def observe(
        self,
        number: int,
        observations: Sequence[Observation],
        *,
        checkpoint: Checkpoint | None = None,
        ending: Ending | None = None,
    ) -> Verdict:
        """Writes down epochs of a trial, and answers whether it goes on.

        Epochs that are on record already, which a resumed segment repeats, are ignored. The
        published configuration always goes on.

        What ends with these epochs must be closed next. The same write says so already, so that a
        driver that is killed in between cannot leave the ending to a later moment.

        Args:
            number: of the trial.
            observations: in order, and without a gap to those on record; metrics other than
                `valid/...` are left to the curves. The objective must be finite.
            checkpoint: what the trial can be resumed from now.
            ending: what the trial ends with of itself; the scheduler then has no say.
        """
        trial = self._live(number)
        fresh = tuple(_kept(o) for o in observations if o.epoch > trial.epoch)
        if not fresh:
            if checkpoint:
                self._enter(number, entries.saved(checkpoint, ending))
            return Verdict.CONTINUE
        stretch = self._stretch(trial, fresh, ends=ending is not None)
        self._enter(number, entries.observed(stretch, checkpoint, ending))
        if stretch.rungs:
            self._book.settle(self._trials[number])
        return stretch.verdict

    def close(self, number: int, ending: Ending) -> None:
        """The trial has its ending, which nothing changes any more."""
        self._end(number, ending, attempts=self._live(number).attempts)

    def _end(self, number: int, ending: Ending, *, attempts: int) -> None:
        trial = self._live(number)
        assert not isinstance(ending, Completed) or trial.value is not None
        assert not isinstance(ending, Stopped) or ending.rung in trial.rungs
        self._enter(number, entries.ended(ending, ended_at=self._clock(), attempts=attempts))
        self._book.settle(self._trials[number])
        self._claimed.discard(number)

    def _stretch(self, trial: Trial, fresh: tuple[Observation, ...], *, ends: bool) -> Stretch:
        seen = trial.observations + fresh
        assert [o.epoch for o in seen] == list(range(1, len(seen) + 1)), "a gap between epochs"
        at_end = self._study.objective.at(seen, seen[-1].epoch)
        assert at_end is not None
        rungs = halving.rungs_of(self._study, seen, after=trial.epoch)
        judged = rungs and not (trial.published or ends)
        now = replace(trial, observations=seen, rungs={**trial.rungs, **rungs})
        verdict = self._verdict(now, rungs) if judged else Verdict.CONTINUE
        return Stretch(fresh, at_end[0], at_end[1], rungs, verdict)

    def _verdict(self, trial: Trial, rungs: Mapping[int, float]) -> Verdict:
        """What the scheduler says of a trial that has just come to these rungs."""
        if not (self._promotes or self._study.others):
            return self._at_rungs.judge(rungs)
        others = self._sound() if self._promotes else self._trials
        known = [other for other in others if other.number != trial.number]
        study, trials = as_single(self._study, [*known, trial], trial.number)
        if self._promotes:
            return Standings(study, trials).judge(trial.number)
        *rivals, now = trials
        return halving.Standings(study, rivals).judge({rung: now.rungs[rung] for rung in rungs})

    @property
    def _promotes(self) -> bool:
        return self._study.scheduler.kind == "promotion"

    def _standings(self) -> Standings:
        """Of all trials, as the next one would see them."""
        return Standings(*as_single(self._study, self._sound(), len(self._trials)))

    def _sound(self) -> list[Trial]:
        """Trials that belong to the space."""
        return [trial for trial in self._trials if trial.number not in self._outside]

    def _live(self, number: int) -> Trial:
        trial = self._trials[number]
        assert not trial.ended, "a trial with an ending is immutable"
        return trial

    def _enter(self, number: int, entry: Entry) -> None:
        self._book.write(number, entry, event=self._events)
        self._events += 1
        before, after = self._trials[number], entries.applied(self._trials[number], entry)
        self._trials[number] = after
        self._seen += seen([after]) - seen([before])
        self._place(after)

    def _place(self, trial: Trial) -> None:
        """Among those that run, or are paused, or have their ending; and at the rungs."""
        for kind, numbers in ((Running, self._running), (Paused, self._paused)):
            if isinstance(trial.state, kind):
                numbers.add(trial.number)
            else:
                numbers.discard(trial.number)
        self._at_rungs.note(trial)

    def _configuration(self, trials: Sequence[Trial]) -> dict[str, Any]:
        return plain(proposals.propose(self._study, trials, outside=self._outside))

    def _catch_up(self, history: History) -> None:
        """Ends what a killed driver had begun: an ending half told, or decided and not told."""
        trial = history.trial
        ending = entries.decided(trial, history.entries)
        if not trial.ended and ending:
            self.close(trial.number, ending)
        else:
            self._book.settle(trial)


def record_of(book: Book, header: Header, trials: Sequence[Trial]) -> Record:
    """The record of a study, from its parts."""
    name, generation = split(book.name)
    return Record(
        name=name,
        metric=header.metric,
        direction=header.direction,
        study_text=header.text,
        provenance=header.provenance,
        trials=tuple(trials),
        generation=generation or 1,
    )


def _outside(study: Study, book: Book, trials: Sequence[Trial]) -> frozenset[int]:
    """Trials that earlier generations of the study brought and it could not propose itself."""
    _, generation = split(book.name)
    if generation is None:
        return frozenset()
    return frozenset(t.number for t in trials if not proposals.belongs(study, t.config))


def _kept(observation: Observation) -> Observation:
    """What the record keeps of an observation."""
    metrics = {k: v for k, v in observation.metrics.items() if k.startswith("valid/")}
    return Observation(observation.epoch, metrics, observation.train_seconds)
