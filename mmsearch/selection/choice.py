"""The choice at the end of a race, and what is known of every candidate.

Unusual: "best" is the highest expected value under a new seed, with the winner's luck taken out
(see `posterior`). "Tied" is who may well be better: with a probability of 2.5 % or more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from mmsearch.errors import Problem, SelectionError
from mmsearch.seeds import derive
from mmsearch.selection.contest import Candidate, Contest
from mmsearch.selection.paired import adjusted
from mmsearch.selection.posterior import Posterior, posterior
from mmsearch.selection.race import DRAWS, Over
from mmsearch.trial import Failed

LEVEL = 0.95
TIED = (1 - LEVEL) / 2
"""Probability of being better than the best from which on a candidate is tied with it."""
BEST = "the highest expected value under a new seed"
SIMPLEST = "the fewest trained weights of those that are tied with the best"


@dataclass(frozen=True)
class Row:
    """What is known of one candidate, in the metric's units."""

    candidate: Candidate
    seeds: int
    """Fresh seeds that gave a value."""
    mean: float | None
    """Over them; None without any."""
    sd: float | None
    """Over them, of a sample; None below two."""
    expected: float
    """Under a new seed, with the luck of being chosen taken out."""
    low: float
    """Between `low` and `high` the expectation lies with a probability of `LEVEL`."""
    high: float
    best: float
    """Probability of being the best of those that failed under no seed."""
    tied: bool
    """Whether it failed under no seed, and may well be better than the best."""
    p: float | None
    """Of being as good as the published configuration, adjusted for the number of tests; None for
    that one itself, and below two common seeds."""
    failures: Mapping[int, Failed]
    """By seed."""
    weights: int | None = None
    """Trained weights, where the simplest was asked for."""

    @property
    def number(self) -> int:
        """Of its trial in the search."""
        return self.candidate.number


@dataclass(frozen=True)
class Choice:
    """What a race came to."""

    contest: Contest
    rows: tuple[Row, ...]
    """Those that failed under no seed first; by expectation, best first."""
    chosen: Row
    rule: str
    why: str
    """Why the race ended, or that it has not."""
    noise: float
    """Standard deviation over seeds of one configuration's value."""

    @property
    def best(self) -> Row:
        """The candidate with the highest expectation."""
        return self.rows[0]

    @property
    def published(self) -> Row:
        """The published configuration."""
        number = self.contest.published.number
        return next(row for row in self.rows if row.number == number)


def choose(contest: Contest, *, weights: Mapping[int, int] | None = None) -> Choice:
    """What to print and to open the test split for.

    Args:
        contest: records of search and race.
        weights: how many a candidate trains, by number: the simplest is wanted. None for the best.

    Raises:
        SelectionError: too few replicates to say anything, or every candidate failed.
    """
    known = contest.field()
    values = known.values
    if sum(map(len, values.values())) < 2:
        rule = "fewer than two replicates have a value, so nothing can be said"
        way_out = "Go on with the same command."
        raise SelectionError(Problem(f"study {contest.search.name!r}", rule, way_out))
    standing = posterior(values)
    draws = standing.draws(5 * DRAWS, derive(known.seed, 0, 0, "choice"))
    rows = _rows(contest, standing, draws, weights or {})
    if rows[0].failures:
        rule = "every candidate failed under a fresh seed"
        way_out = "Search on: what fails under one seed in a few is no configuration to print."
        raise SelectionError(Problem(f"study {contest.search.name!r}", rule, way_out))
    chosen, rule = rows[0], BEST
    if weights is not None:
        chosen, rule = _simplest(rows, contest), SIMPLEST
    wanted = contest.next()
    why = wanted.why if isinstance(wanted, Over) else "the race is not over"
    return Choice(contest, rows, chosen, rule, why, standing.noise)


def _rows(
    contest: Contest, standing: Posterior, truths: np.ndarray, weights: Mapping[int, int]
) -> tuple[Row, ...]:
    candidates = contest.candidates
    sound = [place for place, one in enumerate(candidates) if not one.failures]
    best, better = np.zeros(len(candidates)), np.zeros(len(candidates))
    if sound:
        leader = sound[int(standing.mean[sound].argmax())]
        winners = np.array(sound)[truths[:, sound].argmax(axis=1)]
        best = np.bincount(winners, minlength=len(candidates)) / len(truths)
        better = (truths > truths[:, [leader]]).mean(axis=0)
        better[leader] = 1.0
    ps = _against(contest)
    rows: list[Row] = []
    for place, one in enumerate(candidates):
        own = list(one.values.values())
        ends = [contest.sign * end for end in standing.interval(place, LEVEL)]
        rows.append(
            Row(
                candidate=one,
                seeds=len(own),
                mean=mean(own) if own else None,
                sd=stdev(own) if len(own) > 1 else None,
                expected=contest.sign * float(standing.mean[place]),
                low=min(ends),
                high=max(ends),
                best=float(best[place]),
                tied=not one.failures and bool(better[place] >= TIED),
                p=ps.get(one.number),
                failures=one.failures,
                weights=weights.get(one.number),
            )
        )
    return tuple(sorted(rows, key=lambda row: (bool(row.failures), -contest.sign * row.expected)))


def _against(contest: Contest) -> dict[int, float]:
    """Adjusted p of each candidate against the published configuration."""
    values = {one.number: one.values for one in contest.candidates}
    return adjusted(values, contest.published.number)


def _simplest(rows: tuple[Row, ...], contest: Contest) -> Row:
    """Of the tied with as many seeds as a winner needs: fewest weights, shortest training, best."""
    enough = contest.plan.rules.seeds_at_least
    tied = [row for row in rows if row.tied and row.seeds >= enough] or [rows[0]]
    order = [row.number for row in rows]
    return min(
        tied, key=lambda row: (row.weights or 0, row.candidate.cost, order.index(row.number))
    )
