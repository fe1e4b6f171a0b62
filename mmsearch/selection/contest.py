"""A race as the records have it: candidates out of a finished search, and their replicates.

Unusual: all candidates share their fresh seeds, the streams of the published configuration's trial
under replicates 1, 2, ..., which no trial of a search uses. So they can be compared in pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mmsearch.errors import Problem, SelectionError
from mmsearch.sampling import Proposal
from mmsearch.seeds import Seed
from mmsearch.selection.race import Field, Next, Over, Rules, decide
from mmsearch.trial import Completed, Failed, Record, Running, Trial, has_value

SHARED = 0
"""The trial whose streams all candidates use."""
KEPT = "race."
"""Begins the keys under which a sitting's race is kept beside its overrides."""


@dataclass(frozen=True)
class Plan:
    """What a race may spend, on how many, and when it is decided."""

    candidates: int = 5
    """The best of the search; the published configuration comes on top."""
    epochs: float | None = None
    """None for `share` of what the search spent."""
    share: float = 0.25
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Candidate:
    """A configuration of the search with its replicates."""

    trial: Trial
    """Of the search."""
    replicates: tuple[Trial, ...]
    """Of the race, by number."""

    @property
    def number(self) -> int:
        """Of its trial in the search."""
        return self.trial.number

    @property
    def values(self) -> dict[int, float]:
        """Objective by seed, in the metric's units."""
        done = (t for t in self.replicates if isinstance(t.state, Completed) and has_value(t))
        return {t.seed.replicate: float(t.value or 0.0) for t in done}

    @property
    def failures(self) -> dict[int, Failed]:
        """By seed: those that the configuration itself brought about; a lost machine does not."""
        ended = ((t.seed.replicate, t.state) for t in self.replicates)
        return {
            seed: state
            for seed, state in ended
            if isinstance(state, Failed) and state.reason != "lost"
        }

    @property
    def running(self) -> int:
        """Replicates without an ending."""
        return sum(isinstance(t.state, Running) for t in self.replicates)

    @property
    def cost(self) -> float:
        """Epochs that one more replicate is expected to take."""
        done = [t.epoch for t in self.replicates if isinstance(t.state, Completed)]
        return sum(done) / len(done) if done else float(max(1, self.trial.epoch))


@dataclass(frozen=True)
class Contest:
    """A search, and what the race over its best has come to."""

    search: Record
    replicates: tuple[Trial, ...]
    """All trials of the race."""
    plan: Plan

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The best of the search, what was raced before, and the published one; best first.

        Raises:
            SelectionError: no trial of the search has completed.
        """
        ranking = _distinct(self.search.ranking)
        if not ranking:
            rule = "no trial has completed, so there is nothing to choose from"
            way_out = "Go on with the search: `python -m mmsearch.tune` with the same arguments."
            raise SelectionError(Problem(f"study {self.search.name!r}", rule, way_out))
        raced = [trial.config for trial in self.replicates]
        best = ranking[: self.plan.candidates]
        wanted = [*best, *(t for t in ranking if t.config in raced and t not in best)]
        published = self.search.published
        assert published is not None
        if published.config not in [trial.config for trial in wanted]:
            wanted.append(published)
        return tuple(Candidate(t, self._of(t.config)) for t in wanted)

    @property
    def published(self) -> Candidate:
        """The published configuration."""
        assert self.search.published is not None
        config = self.search.published.config
        return next(one for one in self.candidates if one.trial.config == config)

    @cached_property
    def budget(self) -> float:
        """Epochs that the race may take."""
        if self.plan.epochs is not None:
            return self.plan.epochs
        return self.plan.share * sum(trial.epoch for trial in self.search.trials)

    @property
    def spent(self) -> float:
        """Epochs that replicates have taken, and that those which run are expected to."""
        return sum(
            one.cost if isinstance(t.state, Running) else t.epoch
            for one in self.candidates
            for t in one.replicates
        )

    @property
    def sign(self) -> float:
        """By which values are multiplied so that higher is better."""
        return 1.0 if self.search.direction == "maximize" else -1.0

    def field(self) -> Field:
        """As the race wants it."""
        all_of = self.candidates
        return Field(
            values={
                one.number: {seed: self.sign * value for seed, value in one.values.items()}
                for one in all_of
            },
            published=self.published.number,
            seed=self.search.trials[0].seed.study,
            taken={one.number: {t.seed.replicate for t in one.replicates} for one in all_of},
            running={one.number: one.running for one in all_of},
            out=[one.number for one in all_of if one.failures],
        )

    @property
    def is_open(self) -> bool:
        """Whether something is to be trained, or was begun and has no ending."""
        return any(one.running for one in self.candidates) or isinstance(self.next(), Next)

    def next(self) -> Next | Over:
        """What to train next, or why nothing more."""
        costs = {one.number: one.cost for one in self.candidates}
        left = self.budget - self.spent
        return decide(self.field(), self.plan.rules, left=left, costs=costs)

    def most_trials(self) -> int:
        """More replicates than this the race will not come to as it stands."""
        cheapest = min(one.cost for one in self.candidates)
        owed = self.plan.rules.seeds_at_least * len(self.candidates)
        return len(self.replicates) + int(max(0.0, self.budget - self.spent) / cheapest) + owed

    def _of(self, config: Mapping[str, Any]) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.replicates if trial.config == config)


class Racing:
    """Proposes what a race wants to be trained: see `sampling.Proposer`."""

    def __init__(self, search: Record, plan: Plan) -> None:
        self._search = search
        self._plan = plan

    def next(self, trials: Sequence[Trial], seen: int) -> Proposal | None:
        """The next replicate; None while none is wanted."""
        contest = Contest(self._search, tuple(trials), self._plan)
        wanted = contest.next()
        if isinstance(wanted, Over):
            return None
        trial = next(one.trial for one in contest.candidates if one.number == wanted.number)
        seed = Seed(trial.seed.study, SHARED, wanted.seed)
        return Proposal(trial.config, seed, seen, trial.coordinates)

    def proposed(self, trials: Sequence[Trial], seen: int) -> None:
        """See `sampling.Proposer`; nothing is made ahead."""

    def prepare(self) -> None:
        """See `sampling.Proposer`; nothing is made ahead."""


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    """The first trial of each configuration."""
    found: list[Trial] = []
    for trial in trials:
        if all(trial.config != other.config for other in found):
            found.append(trial)
    return found
