"""What is predicted: modalities, target and its transform, loss family, metrics, label balance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.raw import TOLD, Raw

Values = Float[Tensor, "*n"] | Int[Tensor, "*n"]


@dataclass(frozen=True)
class TargetTransform:
    """Affine and invertible: model units = (original - center) / scale.

    The identity, which classes keep, gives its argument itself.
    """

    center: float = 0.0
    scale: float = 1.0

    def encode(self, original: Values) -> Values:
        """Original units to model units."""
        return original if self == IDENTITY else (original - self.center) / self.scale

    def decode(self, model: Values) -> Values:
        """Model units to original units."""
        return model if self == IDENTITY else model * self.scale + self.center


IDENTITY = TargetTransform()


@dataclass(frozen=True)
class Task:
    """Everything of a dataset that a method is built from; no example of valid or test."""

    dataset: str
    modalities: Mapping[str, int]
    """Features per step, by modality, in the order in which they are fused; 0 for a modality that
    is raw and nothing else, until a backbone is chosen that reads it."""
    loss_family: Literal["regression", "classification"]
    transform: TargetTransform
    bound: float
    """Largest |target| in model units that a label can take (Self-MM's H); 0.0 for classes."""
    metrics: str
    """Family of metrics, a key of `metrics.FAMILIES`."""
    train_target: Float[Tensor, " num_train"] | Int[Tensor, " num_train"]
    """Human labels of train in model units, by row: what label memories start from."""
    balance: str
    """One sentence on how balanced the labels are, printed before a search."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers; empty for a regression."""

    @property
    def outputs(self) -> int:
        """Numbers that a head predicts per example: one, or a logit for each class."""
        return len(self.classes) or 1


@dataclass(frozen=True)
class View:
    """A raw modality as one backbone leaves or takes it, in files that workers map."""

    folder: Path
    """Has `<split>.npy` and `<split>_lengths.npy` of train and valid."""
    width: int
    """Features of each step that a method gets."""
    identity: str = ""
    """Of the network that it was planned with."""


@dataclass(frozen=True)
class SearchData:
    """What a search may see of a dataset: never the test split."""

    task: Task
    train: Batch
    valid: Batch
    fingerprint: str
    """SHA-256 over names, shapes and bytes of train and valid."""
    raw: Mapping[str, tuple[Raw, Raw]] = field(default_factory=dict[str, tuple[Raw, Raw]])
    """Of train and of valid, by modality."""
    views: Mapping[str, View] = field(default_factory=dict[str, View])
    """What backbones need of raw modalities, by `backbones.key`."""

    @property
    def modalities_told(self) -> str:
        """How messages tell them: features per step, what is raw, or both."""
        told = {
            name: f"{name} {size}" if size else name for name, size in self.task.modalities.items()
        }
        for name, (raw, _) in self.raw.items():
            kind = TOLD[raw.kind]
            told[name] += f" (and {kind})" if self.task.modalities[name] else f" ({kind})"
        return ", ".join(told.values())
