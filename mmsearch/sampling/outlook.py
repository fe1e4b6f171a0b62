"""What the record lets one expect: of every trial, and of configurations that were not tried.

Unusual: it is built anew from the trials whenever it is asked for. Nothing lives in between.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from mmsearch.sampling import acquisition
from mmsearch.sampling.coordinates import Coordinates
from mmsearch.sampling.halving import reached
from mmsearch.sampling.ladder import Ladder
from mmsearch.study import Study
from mmsearch.trial import Failed, Running, Trial

Array = np.ndarray
DESIGN = 6
MOST = 128


class Outlook:
    def __init__(self, study: Study, trials: Sequence[Trial], coordinates: Coordinates) -> None:
        full = study.budget.max_epochs
        sign = 1.0 if study.objective.direction == "maximize" else -1.0
        self._stand = None
        self.reduction = study.scheduler.reduction
        levels = self.levels = (*study.scheduler.rungs(full), full)
        sound = [t for t in trials if not isinstance(t.state, Failed)]
        values = np.full((len(trials), len(levels)), np.nan)
        index = {t.number: i for i, t in enumerate(trials)}
        for column, level in enumerate(levels):
            for number, value in reached(sound, level).items():
                values[index[number], column] = sign * value
        for i, t in enumerate(trials):
            if isinstance(t.state, Failed) and t.state.reason != "lost" and np.isfinite(values[:, 0]).any():
                values[i, 0] = np.nanmin(values[:, 0])
        running = np.array([isinstance(t.state, Running) for t in trials])
        kept = _kept(values, running)
        self.numbers = [trials[i].number for i in kept]
        self.values, self.running = values[kept], running[kept]
        self._coordinates = coordinates
        self.places = np.array([coordinates.places(_params(study, trials[i])) for i in kept])
        self.known = int(np.isfinite(self.values[:, 0]).sum())
        self.ladder = None
        if self.known >= DESIGN:
            self.ladder = Ladder(coordinates.features(self.places), self.values)

    def _standing(self):
        if self._stand is None:
            self._stand = self.ladder.standing()
        return self._stand

    def merit(self, number: int) -> float:
        if number not in self.numbers:
            return -np.inf
        return float(self._standing()[0][self.numbers.index(number)])

    def goes_on(self, number: int, rung: int) -> bool:
        """Quota: among the best of those that reached the rung."""
        column = self.levels.index(rung)
        there = np.isfinite(self.values[:, column])
        mean = self._standing()[0]
        places = max(1, int(there.sum()) // self.reduction)
        cut = np.sort(mean[there])[-places]
        return self.merit(number) >= cut

    def best(self) -> float:
        mean, _ = self.ladder.standing()
        known = np.isfinite(self.values[:, 0])
        return float(mean[known].max())

    def propose(self, rng: np.random.Generator) -> tuple[Array, float]:
        ladder = self.ladder
        best = self.best()
        ladder.believe(self.running)

        def worth(places: Array) -> Array:
            mean, variance = ladder.predict(self._coordinates.features(places))
            return acquisition.log_improvement(mean, variance, best)

        mean, _ = ladder.standing()
        order = np.argsort(-mean, kind="stable")[:16]
        d = self.places.shape[1]
        return acquisition.search(
            worth,
            lambda n: rng.random((n, d)),
            lambda p: self._coordinates.neighbours(p, rng),
            self.places[order],
        )


def _kept(values: Array, running: Array) -> Array:
    """At most so many trials: the running ones, those that got furthest, the best, the latest."""
    n = len(values)
    if n <= MOST:
        return np.arange(n)
    height = np.isfinite(values).sum(axis=1).astype(float)
    first = values[:, 0]
    rank = np.argsort(np.argsort(-np.where(np.isfinite(first), first, -np.inf), kind="stable"))
    merit = height * 10 + running * 100 - 10 * rank / n
    chosen = np.argsort(-merit, kind="stable")[: MOST * 3 // 4]
    rest = np.setdiff1d(np.arange(n), chosen)[-(MOST // 4) :]
    return np.sort(np.r_[chosen, rest])


def _params(study: Study, trial: Trial) -> dict:
    return {name: value for name, (_, value) in study.space.primitives(trial.config).items()}


def design(d: int, number: int, seed: int) -> Array:
    """Even cover."""
    sobol = qmc.Sobol(d, scramble=True, rng=np.random.default_rng(seed))
    sobol.fast_forward(number)
    return sobol.random(1)[0]
