"""Metrics of classifications, from logits.

Unusual: an area under the curve where one class is absent is undefined and given as that of chance,
0.5, since NaN means that training diverged. Equal logits go to the lower class. The area is taken
of the difference of the logits in float64: it orders examples as the probability does, which
rounds to 1.0 for all the confident ones.

Source: the evaluation of M3CoL's code, which calls scikit-learn.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Logits = Float[Tensor, "batch classes"]
Classes = Int[Tensor, " batch"]


def binary(prediction: Logits, target: Classes) -> dict[str, float]:
    """Two classes, as ROSMAP is reported: accuracy, F1 of class 1, area under the ROC curve."""
    assert prediction.shape[1] == 2
    called = ranked(prediction)[:, 0]
    score = prediction[:, 1].double() - prediction[:, 0].double()
    return {
        "accuracy": _share(called == target),
        "f1": _f1(called == 1, target == 1),
        "auc": _area_under_curve(score, target == 1),
    }


def multiclass(prediction: Logits, target: Classes) -> dict[str, float]:
    """Any number of classes, as BRCA is reported: accuracy, weighted and macro F1."""
    return _multiclass(ranked(prediction), target)


def topics(prediction: Logits, target: Classes) -> dict[str, float]:
    """Many classes, as N24News and Food-101 are: also whether the label is among the first k."""
    order = ranked(prediction)
    measured = _multiclass(order, target)
    hits = order == target[:, None]
    return {
        "accuracy": measured["accuracy"],
        "top_2": _share(hits[:, :2].any(dim=1)),
        "top_5": _share(hits[:, :5].any(dim=1)),
        "f1_weighted": measured["f1_weighted"],
        "f1_macro": measured["f1_macro"],
    }


def ranked(prediction: Logits) -> Int[Tensor, "batch classes"]:
    """Classes of each example, the likeliest first."""
    return prediction.argsort(dim=1, descending=True, stable=True)


def _multiclass(order: Int[Tensor, "batch classes"], target: Classes) -> dict[str, float]:
    called = order[:, 0]
    f1 = [_f1(called == number, target == number) for number in range(order.shape[1])]
    support = [int((target == number).sum()) for number in range(order.shape[1])]
    calls = [int((called == number).sum()) for number in range(order.shape[1])]
    # A class that is neither a label nor called has no F1, and no part in the mean.
    present = [score for score, *there in zip(f1, support, calls, strict=True) if any(there)]
    weighted = sum(score * number for score, number in zip(f1, support, strict=True))
    return {
        "accuracy": _share(called == target),
        "f1_weighted": weighted / len(target),
        "f1_macro": sum(present) / len(present),
    }


def _share(hits: Bool[Tensor, " batch"]) -> float:
    return float(hits.double().mean())


def _f1(is_called: Bool[Tensor, " batch"], is_label: Bool[Tensor, " batch"]) -> float:
    """2 hits / (calls + labels); 0.0 where there are neither."""
    hits = int((is_called & is_label).sum())
    return 2.0 * hits / max(int(is_called.sum()) + int(is_label.sum()), 1)


def _area_under_curve(score: Float[Tensor, " batch"], positive: Bool[Tensor, " batch"]) -> float:
    """Share of pairs of a positive and a negative that are in order, ties counting one half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return 0.5
    ordered = score[~positive].sort().values
    below, not_above = (
        int(torch.searchsorted(ordered, score[positive], right=right).sum())
        for right in (False, True)
    )
    return (below + not_above) / (2 * positives * negatives)
