"""Proposals made while gangs train, where trials are so short that a gang would wait for one.

Unusual: such a proposal is made from what was on record right after the proposal before it, however
late it is made and asked for. So it follows from the record alone, and a driver that was killed in
between makes the same one again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from mmsearch.sampling import entries
from mmsearch.sampling.book import History
from mmsearch.seeds import Seed
from mmsearch.trial import Completed, Scalar, Stopped, Trial

SHORT_S = 10.0
"""Seconds of training a trial, on average, below which proposals are made ahead: what one costs, a
tenth of a second, is then more than a hundredth of it."""
LATEST = 32
"""Trials of which that is the average."""
Propose = Callable[[Sequence[Trial]], dict[str, Any]]


@dataclass(frozen=True)
class Proposal:
    """What is to be trained next."""

    config: Mapping[str, Any]
    """Complete."""
    seed: Seed
    seen: int
    """How much was on the record that it was made from: `Trial.seen`."""
    coordinates: Mapping[str, Scalar] | None = None
    """The searched part of a configuration that may lie outside the space; None for one in it."""


class Proposer(Protocol):
    """Says what a study trains: a sampler, or whoever knows which configurations are wanted.

    What it says must follow from the trials on record.
    """

    def next(self, trials: Sequence[Trial], seen: int) -> Proposal | None:
        """The next proposal, given the whole record and how much is on it; None for none now."""

    def proposed(self, trials: Sequence[Trial], seen: int) -> None:
        """A trial has been proposed: this is the whole record now, and how much is on it."""

    def prepare(self) -> None:
        """Makes the next proposal, if it is one that is made ahead."""


class Forethought:
    """What the next proposal is made from, and the proposal if it has been made already."""

    def __init__(self, propose: Propose, histories: Sequence[History], *, seed: int) -> None:
        """Stands where a killed driver stood.

        Args:
            propose: a configuration from the trials on record.
            histories: of those trials.
            seed: of the study.
        """
        self._propose = propose
        self._seed = seed
        basis = _after_the_last(histories)
        self.proposed(basis, seen(basis))

    def proposed(self, trials: Sequence[Trial], seen: int) -> None:
        """See `Proposer`."""
        self._basis, self._seen = tuple(trials), seen
        self._ahead = are_short(self._basis)
        self._made: dict[str, Any] | None = None

    def prepare(self) -> None:
        """See `Proposer`."""
        if self._ahead and self._made is None:
            self._made = self._propose(self._basis)

    def next(self, trials: Sequence[Trial], seen: int) -> Proposal:
        """See `Proposer`; there is always one."""
        seed = Seed(self._seed, len(trials))
        if not self._ahead:
            return Proposal(self._propose(trials), seed, seen)
        self.prepare()
        assert self._made is not None
        return Proposal(self._made, seed, self._seen)


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
