"""What the record lets one expect of every trial, and of configurations that nobody has tried.

Unusual: it is built anew from the trials whenever it is asked for; nothing lives in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from mmsearch.sampling import acquisition
from mmsearch.sampling.coordinates import Coordinates
from mmsearch.sampling.ladder import Ladder

Array = np.ndarray
ENOUGH = 6
"""Trials at the lowest rung, from which on there is a model."""
DESIGN = 64
"""While there is no model, the one of so many that is farthest from all others is taken. Such lie
at the edges: worth a rung's epochs, and not a full training, so without rungs one is drawn."""
MOST = 128
"""Trials that are modelled: more would cost more time than they tell."""


@dataclass(frozen=True)
class Evidence:
    """Trials as arrays, one row a configuration: what other seeds gave it is averaged."""

    places: Array
    """Configurations, as `Coordinates` has them: [n, parameters]."""
    values: Array
    """At each rung, full fidelity last; higher is better, NaN where not reached: [n, rungs]."""
    running: Array
    """Whether it is being trained: [n]."""
    rows: Array
    """The row of each trial that was told: [trials]."""

    @classmethod
    def of(
        cls,
        trials: Sequence[FrozenTrial],
        coordinates: Coordinates,
        *,
        levels: Sequence[int],
        maximize: bool,
    ) -> Self:
        """From Optuna's trials. A failed one is as bad as the worst known at the lowest rung.

        Args:
            trials: of one objective; `intermediate_values` are those at rungs.
            coordinates: of their parameters.
            levels: the rungs below full fidelity.
            maximize: whether higher is better.
        """
        sign = 1.0 if maximize else -1.0
        values = np.array([_values(trial, levels) for trial in trials]) * sign
        values = values.reshape(len(trials), len(levels) + 1)
        failed = np.array([trial.state == TrialState.FAIL for trial in trials], dtype=bool)
        values[failed] = np.nan
        if np.isfinite(values[:, 0]).any():
            values[failed, 0] = np.nanmin(values[:, 0])
        places = np.array([coordinates.places(trial.params) for trial in trials])
        running = np.array([trial.state == TrialState.RUNNING for trial in trials], dtype=bool)
        chosen = informative(values, running)
        return cls._pooled(places[chosen], values[chosen], running[chosen])

    @classmethod
    def _pooled(cls, places: Array, values: Array, running: Array) -> Self:
        """One row for all trials of a configuration, in the order of the first of each."""
        known: dict[bytes, int] = {}
        rows = np.array([known.setdefault(place.tobytes(), len(known)) for place in places], int)
        members = [np.flatnonzero(rows == row) for row in range(len(known))]
        first = [member[0] for member in members]
        means = [_mean(values[member]) for member in members]
        return cls(
            places[first],
            np.array(means).reshape(len(first), values.shape[1]),
            np.array([running[member].any() for member in members], dtype=bool),
            rows,
        )


def _mean(values: Array) -> Array:
    """At each rung, over the seeds that reached it; NaN where none did: [seeds, rungs]."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    return np.where(counts, np.where(known, values, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _values(trial: FrozenTrial, levels: Sequence[int]) -> list[float]:
    """At each rung and at the end; what a completed trial did not reach is as its end."""
    end = np.nan
    if trial.state == TrialState.COMPLETE and trial.values:
        end = trial.values[0]
    row = [trial.intermediate_values.get(level, end) for level in levels]
    return [value if np.isfinite(value) else np.nan for value in (*row, end)]


def informative(values: Array, running: Array) -> Array:
    """Rows of at most so many trials: what runs, who got furthest, the best, and the latest."""
    n = len(values)
    if n <= MOST:
        return np.arange(n)
    height = np.isfinite(values).sum(axis=1)
    first = np.where(np.isfinite(values[:, 0]), values[:, 0], -np.inf)
    order = np.lexsort((-np.arange(n), -first, -height, ~running))
    chosen = order[: MOST * 3 // 4]
    rest = np.setdiff1d(np.arange(n), chosen)[-(MOST // 4) :]
    return np.sort(np.r_[chosen, rest])


class Outlook:
    """A model of the evidence; of too little evidence there is none.

    Args:
        evidence: what is known.
        coordinates: of the parameters.
    """

    def __init__(self, evidence: Evidence, coordinates: Coordinates) -> None:
        self._evidence = evidence
        self._coordinates = coordinates
        self._ladder: Ladder | None = None
        if np.isfinite(evidence.values[:, 0]).sum() >= ENOUGH:
            self._ladder = Ladder.of(coordinates.features(evidence.places), evidence.values)

    def merits(self) -> Array | None:
        """What every trial is expected to be worth in the end, alike for all seeds of it: [trials].

        None while there is no model.
        """
        return self._ladder.standing()[0][self._evidence.rows] if self._ladder else None

    def insight(self) -> Array | None:
        """How much of that is known at each rung, as far as they are modelled; None likewise."""
        return self._ladder.insight() if self._ladder else None

    def propose(self, rng: np.random.Generator) -> Array:
        """Places of a configuration to try next."""
        evidence, d = self._evidence, len(self._coordinates.names)

        def draw(n: int) -> Array:
            return rng.random((n, d))

        if self._ladder is None:
            rungs = evidence.values.shape[1] > 1
            return _apart(draw(DESIGN), evidence.places) if rungs else draw(1)[0]
        merits = self._ladder.standing()[0]
        starts = evidence.places[np.argsort(-merits, kind="stable")[: acquisition.STARTS]]
        return acquisition.search(
            self._worth(self._ladder.believing(evidence.running), float(merits.max())),
            draw,
            lambda places: self._coordinates.neighbours(places, rng),
            starts,
        )

    def _worth(self, ladder: Ladder, best: float) -> Callable[[Array], Array]:
        def worth(places: Array) -> Array:
            mean, variance = ladder.predict(self._coordinates.features(places))
            return acquisition.log_improvement(mean, variance, best)

        return worth


def _apart(drawn: Array, known: Array) -> Array:
    """Of the rows drawn, the one whose nearest known row is farthest away."""
    if not len(known):
        return drawn[0]
    away = ((drawn[:, None] - known[None]) ** 2).sum(axis=2).min(axis=1)
    return drawn[int(np.argmax(away))]
