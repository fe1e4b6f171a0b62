"""Which parameters move the objective: what a forest loses when one of them is shuffled.

For each rung, and for full fidelity, a forest of randomised trees (Geurts, Ernst and Wehenkel 2006)
learns the rank of a trial's value from its configuration. It is fitted on trials drawn with
replacement and asked about those that were not drawn. A parameter's importance is by how much the
share of explained variance falls when its values are shuffled among the trials that have it
(Breiman 2001); its interval is over the draws, so it says how far other trials could have said
something else.

Unusual: a rung knows all trials that reached it, stopped ones as well, so the first rung sees what
a table of completed trials has lost. A parameter of an arm is shuffled among the arm's trials only:
its branch is a parameter of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmsearch.report.ranks import ranked
from mmsearch.seeds import derive
from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Scalar

FEWEST = 20
"""Trials below which nothing is said of a fidelity."""
MOST = 600
"""Trials that are looked at; of more, evenly spread ones."""
DRAWS, TREES = 20, 24
Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Importance:
    """Of one parameter at one fidelity."""

    parameter: str
    mean: float
    """Loss of the share of explained variance; 0 where the parameter tells the forest nothing."""
    low: float
    """5 % quantile over the draws."""
    high: float
    """95 % quantile over the draws."""
    trials: int
    """That have the parameter, of those looked at."""


@dataclass(frozen=True)
class Fidelity:
    """What moves the objective at one fidelity."""

    epoch: int | None
    """Of the rung; None is full fidelity."""
    trials: int
    """That reached it, stopped ones included."""
    explained: float
    """Share of the variance of ranks that the forest explains of trials it has not seen."""
    importances: tuple[Importance, ...]
    """Most important first."""


@dataclass(frozen=True)
class _Table:
    """Configurations as columns of numbers."""

    columns: Array
    """Shape (trials, columns)."""
    owners: Sequence[Sequence[int]]
    """Columns of each parameter."""
    alive: NDArray[np.bool_]
    """Shape (trials, parameters): whether the trial has the parameter."""


def importances(record: Record, study: Study) -> tuple[Fidelity, ...]:
    """Every fidelity that enough trials reached, the first rung first, full fidelity last."""
    found: list[Fidelity] = []
    for epoch, values in _reached(record, study):
        if len(values) >= FEWEST:
            places = np.linspace(0, len(values) - 1, min(MOST, len(values))).round()
            chosen = sorted(values)
            kept = {chosen[int(place)]: values[chosen[int(place)]] for place in places}
            looked_at = _of_fidelity(record, study, epoch, kept)
            found.append(replace(looked_at, trials=len(values)))
    return tuple(found)


def _reached(record: Record, study: Study) -> Iterator[tuple[int | None, dict[int, float]]]:
    for rung in study.scheduler.rungs(study.budget.max_epochs):
        yield rung, {t.number: t.rungs[rung] for t in record.trials if rung in t.rungs}
    completed = (t for t in record.trials if isinstance(t.state, Completed))
    yield None, {t.number: t.value for t in completed if t.value is not None}


def _of_fidelity(
    record: Record, study: Study, epoch: int | None, values: Mapping[int, float]
) -> Fidelity:
    rows = [trial.coordinates for trial in record.trials if trial.number in values]
    kinds = {row.name: row.kind for row in study.space.describe()}
    names = [name for name in kinds if len({row.get(name) for row in rows}) > 1]
    table = _table(rows, {name: kinds[name] for name in names})
    target = ranked(list(values.values()))
    seed = derive(study.seed, 0, 0, f"report/importances/{epoch}") % 2**32
    explained, lost = _shuffled(table, target, np.random.default_rng(seed))
    low, high = np.quantile(lost, [0.05, 0.95], axis=0) if names else (np.zeros(0), np.zeros(0))
    measured = [
        Importance(
            name,
            float(lost[:, place].mean()),
            float(low[place]),
            float(high[place]),
            int(table.alive[:, place].sum()),
        )
        for place, name in enumerate(names)
    ]
    measured.sort(key=lambda one: -one.mean)
    return Fidelity(epoch, len(rows), explained, tuple(measured))


def _shuffled(
    table: _Table, target: Array, rng: np.random.Generator
) -> tuple[float, NDArray[np.float64]]:
    """Mean share of explained variance, and its loss: [draws, parameters]."""
    count, num_parameters = table.alive.shape
    explained: list[float] = []
    lost: list[Array] = []
    for draw in range(DRAWS):
        drawn = np.asarray(rng.integers(0, count, count), dtype=np.int64)
        left: Rows = np.setdiff1d(np.arange(count, dtype=np.int64), drawn)
        if not num_parameters or target[left].std() == 0:
            continue
        forest = _forest(draw)
        forest.fit(table.columns[drawn], target[drawn])
        asked = [
            table.columns[left],
            *(_swapped(table, p, left, rng) for p in range(num_parameters)),
        ]
        answers = cast("Array", forest.predict(np.concatenate(asked)))
        errors = ((answers.reshape(-1, len(left)) - target[left]) ** 2).mean(axis=1)
        shares = 1 - errors / target[left].var()
        explained.append(float(shares[0]))
        lost.append(shares[0] - shares[1:])
    if not lost:
        return 0.0, np.zeros((1, num_parameters))
    return float(np.mean(explained)), np.stack(lost)


def _swapped(table: _Table, place: int, rows: Rows, rng: np.random.Generator) -> Array:
    """These rows, with one parameter's values shuffled among those that have it."""
    columns = table.columns[rows]
    own = table.owners[place]
    there: Rows = np.flatnonzero(table.alive[rows, place])
    others: Rows = rng.permutation(there)
    for column in own:
        columns[there, column] = columns[others, column]
    return columns


def _forest(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=seed)


def _table(rows: Sequence[Mapping[str, Scalar]], kinds: Mapping[str, str]) -> _Table:
    """Parameters as columns; of a choice one for each value, what does not exist in the middle."""
    columns: list[Array] = []
    owners: list[list[int]] = []
    for name, kind in kinds.items():
        given = [row.get(name) for row in rows]
        own = _choice(given) if kind in {"choice", "branch"} else [_number(given, kind)]
        owners.append(list(range(len(columns), len(columns) + len(own))))
        columns += own
    alive = np.array([[name in row for name in kinds] for row in rows], dtype=bool)
    return _Table(np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0)), owners, alive)


def _choice(given: Sequence[Scalar | None]) -> list[Array]:
    known = dict.fromkeys(value for value in given if value is not None)
    return [np.array([float(value == one) for value in given]) for one in known]


def _number(given: Sequence[Scalar | None], kind: str) -> Array:
    """On the scale on which the parameter is drawn evenly; a weight that is off lies below all."""
    numbers = np.array([np.nan if value is None else float(value) for value in given])
    if "log" in kind:
        positive = numbers[numbers > 0]
        off = positive.min() / 10 if len(positive) else 1.0
        numbers = np.log10(np.where(numbers > 0, numbers, np.where(numbers == 0, off, np.nan)))
    middle = np.nanmedian(numbers) if np.isfinite(numbers).any() else 0.0
    return np.where(np.isnan(numbers), middle, numbers)
