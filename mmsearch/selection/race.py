"""Which candidate to train next, and under which fresh seed: a race that ends when it is decided.

Seeds go where they separate: to the leader, or to the one that it is most likely worth leaving the
leader for, whichever has fewer. So those that are clearly behind are trained no more.

Unusual: a pure function of what is known and of the study's seed; a race that was killed decides
what it would have decided.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from mmsearch.seeds import derive
from mmsearch.selection.posterior import Posterior, Values, posterior

OPENING = 2
"""Seeds that each candidate gets before any is preferred: one lucky seed, and the leader would be
too good by as much."""
DRAWS = 2000
"""Possible truths that a decision is read off."""


@dataclass(frozen=True)
class Rules:
    """When a race is decided."""

    seeds_at_least: int = 3
    """Of the winner and of the published configuration, whatever the budget."""
    clear: float = 0.95
    """Probability of being best at which a leader has won."""
    tolerance: float = 0.05
    """Expected loss, in standard deviations of the noise, at which the candidates are as good."""


@dataclass(frozen=True)
class Field:
    """What a race has come to."""

    values: Values
    """Of all candidates, those without any value included; higher is better; best of the search
    first."""
    published: int
    """The candidate that is trained to the end."""
    seed: int
    """Of the study."""
    taken: Mapping[int, Collection[int]] = field(default_factory=dict[int, Collection[int]])
    """By candidate: seeds that run or came to nothing."""
    running: Mapping[int, int] = field(default_factory=dict[int, int])
    """By candidate: how many seeds run."""
    out: Collection[int] = ()
    """Candidates that failed under a seed: they are trained no more."""

    @property
    def contenders(self) -> list[int]:
        """Candidates that can still win."""
        return [number for number in self.values if number not in self.out]

    def seeds(self, number: int) -> int:
        """Values that a candidate has, and those it will have."""
        return len(self.values[number]) + self.running.get(number, 0)

    def next_seed(self, number: int) -> int:
        """The first replicate that the candidate has not been given."""
        given = {*self.values[number], *self.taken.get(number, ())}
        return next(seed for seed in range(1, len(given) + 2) if seed not in given)


@dataclass(frozen=True)
class Next:
    """Train this."""

    number: int
    """Of the candidate."""
    seed: int
    """Replicate: 1, 2, ..."""


@dataclass(frozen=True)
class Over:
    """Train nothing more."""

    why: str


@dataclass(frozen=True)
class View:
    """How the contenders stand, in the order of `Field.values`."""

    numbers: tuple[int, ...]
    leader: int
    """Place of the contender that is expected to be best."""
    best: np.ndarray
    """Probability of each of being the best."""
    gains: np.ndarray
    """How much better than the leader each is expected to be where it is better."""
    loss: float
    """How much worse than the best the leader is expected to be."""
    noise: float
    """Standard deviation of one seed's value."""


def view(standing: Posterior, contenders: Collection[int], seed: int) -> View:
    """How the contenders stand.

    Args:
        standing: of all candidates.
        contenders: some of them.
        seed: of the random numbers.
    """
    places = [place for place, number in enumerate(standing.numbers) if number in contenders]
    numbers = tuple(standing.numbers[place] for place in places)
    leader = int(standing.mean[places].argmax())
    truths = standing.draws(DRAWS, seed)[:, places]
    winners = np.bincount(truths.argmax(axis=1), minlength=len(places)) / DRAWS
    better = np.maximum(truths - truths[:, [leader]], 0.0)
    return View(
        numbers,
        leader,
        winners,
        better.mean(axis=0),
        float(better.max(axis=1).mean()),
        standing.noise,
    )


def decide(known: Field, rules: Rules, *, left: float, costs: Mapping[int, float]) -> Next | Over:
    """What to train next.

    Args:
        known: values and what runs.
        rules: when it is decided.
        left: what the budget still allows, what runs taken off.
        costs: of training each candidate once, in the same unit.
    """
    contenders = known.contenders
    if not contenders:
        return Over("every candidate failed under a fresh seed")
    fewest = min(contenders, key=known.seeds)
    known_of = sum(map(len, known.values.values()))
    if known.seeds(fewest) < OPENING and (costs[fewest] <= left or known_of < OPENING):
        return _next(known, fewest)
    if known_of < OPENING:
        return _next(known, fewest)
    seen = view(posterior(known.values), contenders, _stream(known))
    owed = _owed(known, rules, seen.numbers[seen.leader])
    left -= sum(costs[number] for number in owed)
    chosen = _separating(known, seen)
    why = _decided(seen, rules) or ("" if costs[chosen] <= left else "the budget is spent")
    if not why:
        return _next(known, chosen)
    return _next(known, owed[0]) if owed else Over(why)


def _next(known: Field, number: int) -> Next:
    return Next(number, known.next_seed(number))


def _stream(known: Field) -> int:
    """Random numbers of their own for each decision."""
    given = sum(len(own) for own in known.values.values()) + sum(known.running.values())
    return derive(known.seed, given, 0, "race")


def _owed(known: Field, rules: Rules, leader: int) -> list[int]:
    """What is to be trained before the race may end, once for each seed that is missing."""
    both = dict.fromkeys((leader, known.published))
    return [
        number
        for number in both
        if number not in known.out
        for _ in range(rules.seeds_at_least - known.seeds(number))
    ]


def _decided(seen: View, rules: Rules) -> str:
    """Why nothing more is to be learned; empty if something is."""
    if seen.best[seen.leader] >= rules.clear:
        return "one is clearly the best"
    if seen.loss <= rules.tolerance * seen.noise:
        return "those that are left are as good as each other"
    return ""


def _separating(known: Field, seen: View) -> int:
    """The leader or its challenger, whichever has had fewer seeds."""
    gains = np.delete(seen.gains, seen.leader)
    others = [number for number in seen.numbers if number != seen.numbers[seen.leader]]
    leader = seen.numbers[seen.leader]
    if not others:
        return leader
    challenger = others[int(gains.argmax())]
    return min(challenger, leader, key=known.seeds)
