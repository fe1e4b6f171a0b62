"""What labels tell: how they spread, which classes are absent, and the task of classes."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from mmsearch.datasets.base import Examples
from mmsearch.datasets.task import TargetTransform, Task

SHOWN = 10
"""Classes up to which the count of each is told."""


def sign_balance(label: Float[Tensor, " batch"]) -> str:
    """How train labels spread over signs, and how accurate a constant answer is."""
    negative, zero = int((label < 0).sum()), int((label == 0).sum())
    share = max(negative, len(label) - negative) / len(label)
    side = "negative" if 2 * negative > len(label) else "non-negative"
    return (
        f"{negative} of {len(label)} train labels are negative and {zero} are zero: "
        f"answering always {side} has accuracy {share:.2f}"
    )


def class_balance(label: Int[Tensor, " batch"], classes: Sequence[str]) -> str:
    """How train labels spread over classes, and how accurate a constant answer is."""
    counts = [int((label == number).sum()) for number in range(len(classes))]
    each = [f"{count} of {name}" for count, name in zip(counts, classes, strict=True)]
    few, most = counts.index(min(counts)), counts.index(max(counts))
    if counts[few] == counts[most]:
        spread = f"{counts[few]} of each"
    elif len(classes) <= SHOWN:
        spread = ", ".join(each)
    else:
        spread = f"{each[few]} to {each[most]}"
    return (
        f"{len(label)} train labels in {len(classes)} classes, {spread}: "
        f"answering always {classes[most]} has accuracy {counts[most] / len(label):.2f}"
    )


def spread(label: Float[Tensor, " batch"]) -> str:
    """How train targets spread, and how wrong a constant answer is."""
    median = float(label.median())
    error = float((label - median).abs().mean())
    return (
        f"{len(label)} train targets from {float(label.min()):g} to {float(label.max()):g}: "
        f"answering always {median:g} has mae {error:.4g}"
    )


def absent_classes(label: Int[Tensor, " batch"], classes: Sequence[str]) -> str:
    """Names and numbers of the classes that no row has, as messages tell them."""
    return ", ".join(
        f"{name} ({number})"
        for number, name in enumerate(classes)
        if not bool((label == number).any())
    )


def classification(name: str, train: Examples, classes: Sequence[str], *, metrics: str) -> Task:
    """The task of a dataset whose label is one of these classes.

    Args:
        name: the dataset's.
        train: the examples of train.
        classes: their names, in the order of their numbers.
        metrics: family of metrics.
    """
    return Task(
        dataset=name,
        modalities=train.modalities,
        loss_family="classification",
        transform=TargetTransform(),
        bound=0.0,
        metrics=metrics,
        train_target=train.label,
        balance=class_balance(train.label, classes),
        classes=tuple(classes),
    )
