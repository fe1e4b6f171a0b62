"""The metrics that papers print, by family of datasets, in original units or from logits.

Unusual: a prediction that is not finite makes every metric NaN, which is how training knows that it
diverged; so what is merely undefined gets a number. Fractions are not percentages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

from mmsearch.metrics import classification, regression


@dataclass(frozen=True)
class Family:
    """The metrics that one group of datasets is reported in."""

    loss_family: Literal["regression", "classification"]
    names: tuple[str, ...]
    compute: Callable[[Any, Any], dict[str, float]]
    classes: int | None = None
    """How many there must be, where it is not any number."""


def measure(
    family: str,
    prediction: Float[Tensor, " batch"] | Float[Tensor, "batch classes"],
    target: Float[Tensor, " batch"] | Int[Tensor, " batch"],
) -> dict[str, float]:
    """Every metric of a family.

    Args:
        family: a key of `FAMILIES`.
        prediction: in original units, or logits.
        target: labels in original units, or classes from 0.

    Returns:
        By name; errors (`mae`, `mae_non0`, `rmse`) are lower for better, all others are higher for
        better. All are NaN if a prediction is not finite.
    """
    assert len(prediction) == len(target) > 0
    asked = FAMILIES[family]
    if not bool(prediction.isfinite().all()):
        return dict.fromkeys(asked.names, float("nan"))
    label = target.float() if asked.loss_family == "regression" else target
    return asked.compute(prediction.float(), label)


def names(family: str) -> tuple[str, ...]:
    """Names of a family's metrics, in the order in which papers print them."""
    return FAMILIES[family].names


def observed(family: str) -> list[str]:
    """The same as they are observed of the split `valid`: with `valid/` before each."""
    return [f"valid/{name}" for name in names(family)]


FAMILIES: Mapping[str, Family] = {
    "mosi": Family(
        "regression",
        (
            "mae",
            "corr",
            "acc_7",
            "acc_5",
            "acc_2_has0",
            "f1_has0",
            "acc_2_non0",
            "f1_non0",
        ),
        regression.mosi,
    ),
    "mag": Family(
        "regression",
        ("mae_non0", "corr_non0", "acc_7", "acc_2_non0", "f1_non0"),
        regression.mag,
    ),
    "sims": Family("regression", ("mae", "corr", "acc_2", "acc_3", "acc_5", "f1"), regression.sims),
    "regression": Family("regression", ("mae", "rmse", "corr"), regression.regression),
    "binary": Family("classification", ("accuracy", "f1", "auc"), classification.binary, 2),
    "multiclass": Family(
        "classification", ("accuracy", "f1_weighted", "f1_macro"), classification.multiclass
    ),
    "topics": Family(
        "classification",
        ("accuracy", "top_2", "top_5", "f1_weighted", "f1_macro"),
        classification.topics,
    ),
}
"""By the name that `datasets.Task.metrics` gives."""
