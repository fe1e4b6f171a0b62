"""Metrics of regressions: sentiment as the field computes it, and any other numbers.

Unusual: everything is compared in float32, as the published figures were: a label -0.1 is on the
same side of the bin edge -0.1 there and would not be in float64. A correlation with constant
predictions (or labels) is undefined and given as 0.0, and so are the metrics over non-zero labels
where there are none, since NaN means that training diverged.

Source: the evaluation of the MMSA toolkit (`mosi`, `sims`), and that of MAG-BERT, which MIM uses
(`mag`).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Values = Float[Tensor, " batch"]
Signs = Bool[Tensor, " batch"]
Classes = Int[Tensor, " batch"] | Signs


def regression(prediction: Values, target: Values) -> dict[str, float]:
    """Numbers of any range: errors as they are, squared errors in the unit of the target."""
    return {
        "mae": _mae(prediction, target),
        "rmse": float((prediction - target).double().square().mean().sqrt()),
        "corr": _correlation(prediction, target),
    }


def mosi(prediction: Values, target: Values) -> dict[str, float]:
    """MOSI and MOSEI: errors of values as they are, classes of clipped and rounded ones.

    Two-class metrics come as negative against non-negative over all examples (`has0`), and as
    negative against positive over examples whose label is not zero (`non0`).
    """
    nonzero = target != 0
    has0 = prediction >= 0, target >= 0
    non0 = prediction[nonzero] > 0, target[nonzero] > 0
    return {
        "mae": _mae(prediction, target),
        "corr": _correlation(prediction, target),
        "acc_7": _accuracy(_rounded(prediction, 3.0), _rounded(target, 3.0)),
        "acc_5": _accuracy(_rounded(prediction, 2.0), _rounded(target, 2.0)),
        "acc_2_has0": _accuracy(*has0),
        "f1_has0": _weighted_f1(*has0),
        "acc_2_non0": _accuracy(*non0),
        "f1_non0": _weighted_f1(*non0),
    }


def sims(prediction: Values, target: Values) -> dict[str, float]:
    """SIMS: everything of values clipped to [-1, 1]; bins are open below and closed above."""
    prediction, target = prediction.clamp(-1.0, 1.0), target.clamp(-1.0, 1.0)
    signs = prediction > 0, target > 0

    def binned(*edges: float) -> tuple[Classes, Classes]:
        bounds = torch.tensor(edges, dtype=torch.float32, device=target.device)
        return torch.bucketize(prediction, bounds), torch.bucketize(target, bounds)

    return {
        "mae": _mae(prediction, target),
        "corr": _correlation(prediction, target),
        "acc_2": _accuracy(*signs),
        "acc_3": _accuracy(*binned(-0.1, 0.1)),
        "acc_5": _accuracy(*binned(-0.7, -0.1, 0.1, 0.7)),
        "f1": _weighted_f1(*signs),
    }


def mag(prediction: Values, target: Values) -> dict[str, float]:
    """MOSI and MOSEI as MAG-BERT and MIM evaluate them: all but the seven classes without zeros.

    A prediction of exactly zero counts as positive here, in `mosi` as negative.
    """
    nonzero = target != 0
    p, t = prediction[nonzero], target[nonzero]
    signs = p >= 0, t >= 0
    return {
        "mae_non0": _mae(p, t) if len(t) else 0.0,
        "corr_non0": _correlation(p, t) if len(t) else 0.0,
        "acc_7": _accuracy(_rounded(prediction, 3.0), _rounded(target, 3.0)),
        "acc_2_non0": _accuracy(*signs),
        "f1_non0": _weighted_f1(*signs),
    }


def _rounded(values: Values, bound: float) -> Int[Tensor, " batch"]:
    """Clipped to [-bound, bound] and rounded, halves to the even neighbour."""
    return values.clamp(-bound, bound).round().long()


def _mae(prediction: Values, target: Values) -> float:
    return float((prediction - target).abs().double().mean())


def _correlation(prediction: Values, target: Values) -> float:
    """Pearson's coefficient; 0.0 where one side is constant."""
    if any(bool(values.min() == values.max()) for values in (prediction, target)):
        return 0.0
    left, right = (values.double() - values.double().mean() for values in (prediction, target))
    return float((left @ right) / ((left @ left) * (right @ right)).sqrt())


def _accuracy(prediction: Classes, target: Classes) -> float:
    return float((prediction == target).double().mean()) if len(target) else 0.0


def _weighted_f1(prediction: Signs, target: Signs) -> float:
    """Mean of the two classes' F1, each weighted by how many examples have it as label."""
    total = 0.0
    for is_label, is_called in ((target, prediction), (~target, ~prediction)):
        support, called = int(is_label.sum()), int(is_called.sum())
        hits = int((is_label & is_called).sum())
        total += support * 2.0 * hits / max(support + called, 1)
    return total / max(len(target), 1)
