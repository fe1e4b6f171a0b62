"""Whether configurations differ under the same seeds: paired t tests, adjusted by Holm's method.

Paper: Holm, "A simple sequentially rejective multiple test procedure", 1979.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

FEWEST = 2
"""Pairs that a test needs."""


def paired(left: Mapping[int, float], right: Mapping[int, float]) -> float | None:
    """Two-sided p of equal means over the seeds that both have; None where they are too few.

    Args:
        left: values by seed.
        right: the same of the other.
    """
    differences = np.array([left[seed] - right[seed] for seed in sorted(left.keys() & right)])
    if len(differences) < FEWEST:
        return None
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    student: Any = stats.t(len(differences) - 1)
    return float(2 * student.sf(abs(mean / error)))


def adjusted(values: Mapping[int, Mapping[int, float]], reference: int | None) -> dict[int, float]:
    """Adjusted p of every row against one of them; without those that share too few seeds with it.

    Args:
        values: by row and seed.
        reference: the row that others are tested against; None for no test.
    """
    if reference is None:
        return {}
    found = {row: paired(own, values[reference]) for row, own in values.items() if row != reference}
    return holm({row: p for row, p in found.items() if p is not None})


def holm(ps: Mapping[int, float]) -> dict[int, float]:
    """Each p adjusted for there being several: the chance of any false finding stays below."""
    adjusted: dict[int, float] = {}
    highest = 0.0
    for rank, (number, p) in enumerate(sorted(ps.items(), key=lambda pair: (pair[1], pair[0]))):
        highest = max(highest, min(1.0, (len(ps) - rank) * p))
        adjusted[number] = highest
    return adjusted
