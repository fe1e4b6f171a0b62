"""Which column of a paper's table belongs to which metric, and which columns a dataset's table has.

Unusual: accuracies, F1 and areas are fractions on record and percentages in print, as the field
prints them.
"""

from collections.abc import Collection
from dataclasses import dataclass

from mmsearch import metrics


@dataclass(frozen=True)
class Column:
    """How one metric is printed."""

    metric: str
    """Its name without the split."""
    head: str
    group: str = ""
    """Head over several columns; empty where a column stands alone."""
    percent: bool = False
    digits: int = 3
    """After the point, as printed."""
    lower: bool = False
    """Whether lower is better."""

    @property
    def title(self) -> str:
        """Group and head in one, with an arrow towards better."""
        return f"{self.group} {self.head}".strip() + (" ↓" if self.lower else " ↑")

    def shown(self, value: float, more: int = 0) -> str:
        """A value as it is printed, with so many digits more."""
        return f"{100 * value if self.percent else value:.{self.digits + more}f}"

    def vanishes(self, value: float) -> bool:
        """Whether nothing of a value that is not zero would be left in print."""
        return value != 0 and float(self.shown(value)) == 0


def _percent(metric: str, head: str, group: str = "") -> Column:
    return Column(metric, head, group, percent=True, digits=2)


COLUMNS = {
    one.metric: one
    for one in (
        _percent("accuracy", "Acc"),
        _percent("acc_2", "Acc-2"),
        _percent("acc_2_has0", "has0", "Acc-2"),
        _percent("acc_2_non0", "non0", "Acc-2"),
        _percent("acc_3", "Acc-3"),
        _percent("acc_5", "Acc-5"),
        _percent("f1", "F1"),
        _percent("f1_has0", "has0", "F1"),
        _percent("f1_non0", "non0", "F1"),
        _percent("f1_macro", "macro", "F1"),
        _percent("f1_weighted", "weighted", "F1"),
        _percent("auc", "AUC"),
        _percent("acc_7", "Acc-7"),
        _percent("top_2", "Top-2"),
        _percent("top_5", "Top-5"),
        Column("mae", "MAE", lower=True),
        Column("mae_non0", "MAE", lower=True),
        Column("rmse", "RMSE", lower=True),
        Column("corr", "Corr"),
        Column("corr_non0", "Corr"),
    )
}
"""By metric."""
LAYOUTS = {
    "mosi": ("acc_2_has0", "acc_2_non0", "f1_has0", "f1_non0", "acc_7", "mae", "corr"),
    "mag": ("acc_2_non0", "f1_non0", "acc_7", "mae_non0", "corr_non0"),
    "sims": ("acc_2", "acc_3", "acc_5", "f1", "mae", "corr"),
    "regression": ("mae", "rmse", "corr"),
    "binary": ("accuracy", "f1", "auc"),
    "multiclass": ("accuracy", "f1_macro", "f1_weighted"),
    "topics": ("accuracy", "top_2", "top_5", "f1_macro", "f1_weighted"),
}
"""The field's usual tables, by family of metrics."""


def layout(observed: Collection[str], objective: str) -> tuple[Column, ...]:
    """The columns of a dataset's table, the objective's among them.

    Args:
        observed: metrics on record, without the split: all of a family.
        objective: metric that the configurations were chosen by, without the split.
    """
    known = (family for family in LAYOUTS if set(metrics.names(family)) == set(observed))
    family = next(known, None)
    names = LAYOUTS[family] if family else tuple(name for name in COLUMNS if name in observed)
    if objective not in names:
        names = (*names, objective)
    return tuple(COLUMNS[name] for name in names)
