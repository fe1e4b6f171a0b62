"""CMU-MOSEI at video level: 922 videos, one vector per modality, bundled with the package.

Source, licence and split rule: `files/mosei922/SOURCE.md`.

Unusual: the label is not sentiment but the mean of sentiment and six emotions, from about -0.08
to 0.86 and hardly ever negative. Methods that work by sign would degenerate on it, so the target
in model units is centred on the train median and divided by a third of the largest distance of a
train label from it: train labels lie in [-3, 3], valid and test labels may lie outside. Metrics
are in original units.

Text (BERT-CLS, 768) is as given: its columns are alike in scale (standard deviations 0.17 to 1.1).
Audio (COVAREP) and vision (OpenFace) mix units from hundredths to hundreds, so each of their
columns is standardised by mean and standard deviation of train. Columns that train knows no value
of in some row, or only one value of, are left out: `acoustic_7`, NaN in 70 % of the videos, and the
first column of vision, which is constant. That leaves 39 and 34.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmsearch.datasets import bundled
from mmsearch.datasets.base import Examples, SplitName
from mmsearch.datasets.labels import sign_balance
from mmsearch.datasets.task import TargetTransform, Task

FILES = bundled.FILES / "mosei922"
MODALITIES = ("text", "audio", "vision")
BOUND = 3.0

Arrays = Mapping[str, Float32[np.ndarray, "rows _columns"]]


@dataclass(frozen=True)
class _Scaling:
    """Columns of one modality to keep, and how to standardise them."""

    keep: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, train: np.ndarray) -> "_Scaling":
        # A NaN anywhere in a column makes its range NaN, which is not above zero.
        keep = np.flatnonzero(np.ptp(train, axis=0) > 0)
        known = train[:, keep].astype(np.float64)
        return cls(keep, known.mean(axis=0), known.std(axis=0))

    def apply(self, values: np.ndarray) -> np.ndarray:
        return ((values[:, self.keep] - self.mean) / self.deviation).astype(np.float32)


class Mosei922(bundled.Bundled):
    """The embedded dataset: needs no folder."""

    name = "mosei922"

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits, audio and vision standardised by train."""
        self.check(folder)
        train = _arrays("train")
        scalings = {name: _Scaling.fit(train[name]) for name in ("audio", "vision")}
        return {split: _examples(_arrays(split), scalings) for split in splits}

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Regression of the mean of sentiment and six emotions."""
        transform = _transform(train.label)
        return Task(
            dataset=self.name,
            modalities={name: train.inputs[name].shape[2] for name in MODALITIES},
            loss_family="regression",
            transform=transform,
            bound=BOUND,
            metrics="mosi",
            train_target=transform.encode(train.label),
            balance="the label is the mean of sentiment and six emotions, not pure sentiment; "
            f"{sign_balance(train.label)}, so read mae and corr",
        )


def _transform(label: Float[Tensor, " train"]) -> TargetTransform:
    """Centred on the median, the label farthest from it at the bound."""
    center = float(label.median())
    return TargetTransform(center=center, scale=float((label - center).abs().max()) / BOUND)


def _arrays(split: SplitName) -> Arrays:
    return bundled.arrays(FILES, split, (*MODALITIES, "label"))


def _examples(arrays: Arrays, scalings: Mapping[str, _Scaling]) -> Examples:
    values = {
        name: scalings[name].apply(arrays[name]) if name in scalings else arrays[name]
        for name in MODALITIES
    }
    return Examples.of_vectors(values, label=torch.as_tensor(arrays["label"]))


DATASET = Mosei922()
