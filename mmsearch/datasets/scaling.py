"""Scales features to [0, 1] by what train knows of them, as M3CoL does for its views.

Unusual: a feature that has one value in all of train is 0 everywhere. M3CoL would divide by 1e-10
there, and a valid row with another value would get a feature in the millions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Num


@dataclass(frozen=True)
class MinMax:
    """(x - min) / (max - min + 1e-10), feature by feature; rows outside train may leave [0, 1]."""

    low: Float[np.ndarray, " features"]
    range: Float[np.ndarray, " features"]

    @classmethod
    def fit(cls, train: Num[np.ndarray, "rows features"]) -> "MinMax":
        """Minimum and range of each feature in train."""
        values = train.astype(np.float64)
        return cls(values.min(axis=0), np.ptp(values, axis=0))

    def apply(
        self, values: Num[np.ndarray, "rows features"]
    ) -> Float32[np.ndarray, "rows features"]:
        """The scaled features of any split."""
        scaled = (values.astype(np.float64) - self.low) / (self.range + 1e-10)
        return np.where(self.range > 0, scaled, 0.0).astype(np.float32)
