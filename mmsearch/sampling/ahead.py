"""Proposals made while gangs train, where trials are so short that a gang would wait for one.

Unusual: such a proposal is made from what was on record right after the proposal before it, however
late it is made and asked for. So it follows from the record alone, and a driver that was killed in
between makes the same one again.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from mmsearch.sampling import entries
from mmsearch.sampling.book import History
from mmsearch.trial import Completed, Stopped, Trial

SHORT_S = 10.0
"""Seconds of training a trial, on average, below which proposals are made ahead: what one costs, a
tenth of a second, is then more than a hundredth of it."""
LATEST = 32
"""Trials of which that is the average."""
Propose = Callable[[Sequence[Trial]], dict[str, Any]]


class Forethought:
    """What the next proposal is made from, and the proposal if it has been made already."""

    def __init__(self, propose: Propose, histories: Sequence[History]) -> None:
        self._propose = propose
        basis = _after_the_last(histories)
        self.proposed(basis, seen(basis))

    def proposed(self, trials: Sequence[Trial], seen: int) -> None:
        """A trial has been proposed: this is the whole record now, and how much is on it."""
        self._basis, self._seen = tuple(trials), seen
        self._ahead = are_short(self._basis)
        self._made: dict[str, Any] | None = None

    def prepare(self) -> None:
        """Makes the next proposal, if it is one that is made ahead."""
        if self._ahead and self._made is None:
            self._made = self._propose(self._basis)

    def next(self, trials: Sequence[Trial], seen: int) -> tuple[dict[str, Any], int]:
        """The next proposal, given the whole record, and how much was on what it was made from."""
        if not self._ahead:
            return self._propose(trials), seen
        self.prepare()
        assert self._made is not None
        return self._made, self._seen


def seen(trials: Sequence[Trial]) -> int:
    """Proposals, observed epochs and endings on record: all that a proposal can depend on."""
    return sum(1 + trial.epoch + trial.ended for trial in trials)


def are_short(trials: Sequence[Trial]) -> bool:
    """Whether the latest trials were trained for so few seconds that proposing counts."""
    ended = (t for t in reversed(trials) if isinstance(t.state, Completed | Stopped))
    seconds = [trial.train_seconds for trial in islice(ended, LATEST)]
    return bool(seconds) and sum(seconds) < SHORT_S * len(seconds)


def _after_the_last(histories: Sequence[History]) -> list[Trial]:
    """The trials as they stood when the last of them had been proposed."""
    trials: list[Trial] = []
    for history in histories:
        trial = history.bare
        for entry in history.entries:
            if entry.content["event"] < histories[-1].proposed:
                trial = entries.applied(trial, entry)
        trials.append(trial)
    return trials
