"""Metrics of regressions against numbers worked by hand, scikit-learn and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score

from mmsearch import metrics

# Label, prediction and what they are after clipping to [-3, 3] and rounding half to even.
HAND = [
    (-3.0, -4.0, -3, -3),
    (-1.5, -2.5, -2, -2),
    (-0.4, 0.2, 0, 0),
    (0.0, -0.1, 0, 0),
    (0.0, 0.0, 0, 0),
    (0.5, 1.5, 0, 2),
    (1.2, 0.0, 1, 0),
    (3.0, 2.4, 3, 2),
]


def columns() -> tuple[torch.Tensor, torch.Tensor]:
    target, prediction = (torch.tensor([row[i] for row in HAND]) for i in (0, 1))
    return prediction, target


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # |differences| 1, 1, .6, .1, 0, 1, 1.2, .6 of values that are not clipped
        pytest.param("mae", 5.5 / 8, id="mae"),
        pytest.param("acc_7", 5 / 8, id="seven-classes"),
        # clipped to [-2, 2], the last row agrees too: 2 and 2
        pytest.param("acc_5", 6 / 8, id="five-classes"),
        # non-negative: labels 0 0 0 1 1 1 1 1, predictions 0 0 1 0 1 1 1 1
        pytest.param("acc_2_has0", 6 / 8, id="two-classes-with-zero"),
        # negative 3 labels 3 calls 2 hits: F1 2/3; non-negative 5, 5, 4: 4/5
        pytest.param("f1_has0", (3 * 2 / 3 + 5 * 4 / 5) / 8, id="f1-with-zero"),
        # labels 0 dropped; positive: labels 0 0 0 1 1 1, predictions 0 0 1 1 0 1
        pytest.param("acc_2_non0", 4 / 6, id="two-classes-without-zero"),
        # each class: 3 labels, 3 calls, 2 hits
        pytest.param("f1_non0", 2 / 3, id="f1-without-zero"),
    ],
)
def test_mosi_metrics_agree_with_hand(name: str, expected: float) -> None:
    assert metrics.measure("mosi", *columns())[name] == pytest.approx(expected, abs=1e-7)


def test_mosi_rounding_agrees_with_hand() -> None:
    prediction, target = columns()
    for values, column in ((target, 2), (prediction, 3)):
        rounded = values.clamp(-3, 3).round().tolist()
        assert rounded == [row[column] for row in HAND]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # after clipping: labels -1 -.5 0 .1 .5 1, predictions -1 -.1 .05 .1 .8 .7
        pytest.param("mae", (0 + 0.4 + 0.05 + 0 + 0.3 + 0.3) / 6, id="mae-of-clipped"),
        # zero is negative: labels 0 0 0 1 1 1, predictions 0 0 1 1 1 1
        pytest.param("acc_2", 5 / 6, id="two-classes"),
        # bins of labels 0 0 1 1 2 2, of predictions 0 0 1 1 2 2
        pytest.param("acc_3", 6 / 6, id="three-classes"),
        # bins of labels 0 1 2 2 3 4, of predictions 0 1 2 2 4 3
        pytest.param("acc_5", 4 / 6, id="five-classes"),
        # negative 3 labels 2 calls 2 hits: 4/5; positive 3 labels 4 calls 3 hits: 6/7
        pytest.param("f1", (3 * 4 / 5 + 3 * 6 / 7) / 6, id="f1"),
    ],
)
def test_sims_metrics_agree_with_hand(name: str, expected: float) -> None:
    target = torch.tensor([-1.0, -0.5, 0.0, 0.1, 0.5, 1.0])
    prediction = torch.tensor([-1.7, -0.1, 0.05, 0.1, 0.8, 0.7])
    assert metrics.measure("sims", prediction, target)[name] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("edge", [-0.7, -0.1, 0.0, 0.1, 0.7])
def test_a_sims_value_on_a_bin_edge_belongs_to_the_bin_below(edge: float) -> None:
    on_edge = torch.tensor([edge], dtype=torch.float32)
    below, above = torch.tensor([edge - 0.05]), torch.tensor([edge + 0.05])
    name = "acc_2" if edge == 0.0 else "acc_5"
    assert metrics.measure("sims", below, on_edge)[name] == 1.0
    assert metrics.measure("sims", above, on_edge)[name] == 0.0


def test_edges_are_those_of_float32_even_for_labels_in_float64() -> None:
    label = torch.tensor([0.1], dtype=torch.float32).double()
    assert float(label) > 0.1
    assert metrics.measure("sims", torch.tensor([0.0]), label)["acc_5"] == 1.0


def drawn(family: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels on the grids that annotators use, many on bin edges, and noisy predictions."""
    generator = np.random.default_rng(seed)
    if family == "mosi":
        target = generator.integers(-9, 10, 60) / 3
    else:
        target = generator.integers(-5, 6, 60) / 5
    prediction = target + generator.normal(0, 0.8, 60)
    return torch.tensor(prediction, dtype=torch.float32), torch.tensor(target, dtype=torch.float32)


@pytest.mark.parametrize("seed", range(3))
def test_mosi_classes_agree_with_scikit_learn(seed: int) -> None:
    prediction, target = drawn("mosi", seed)
    measured = metrics.measure("mosi", prediction, target)
    p, t = prediction.numpy(), target.numpy()
    assert measured["acc_7"] == accuracy_score(
        np.round(np.clip(t, -3, 3)), np.round(np.clip(p, -3, 3))
    )
    assert measured["f1_has0"] == pytest.approx(f1_score(t >= 0, p >= 0, average="weighted"))
    p, t = p[t != 0], t[t != 0]
    assert measured["acc_2_non0"] == accuracy_score(t > 0, p > 0)
    assert measured["f1_non0"] == pytest.approx(f1_score(t > 0, p > 0, average="weighted"))


@pytest.mark.parametrize("seed", range(3))
def test_sims_classes_agree_with_scikit_learn(seed: int) -> None:
    prediction, target = drawn("sims", seed)
    measured = metrics.measure("sims", prediction, target)
    p, t = np.clip(prediction.numpy(), -1, 1), np.clip(target.numpy(), -1, 1)
    for name, edges in {"acc_3": [-0.1, 0.1], "acc_5": [-0.7, -0.1, 0.1, 0.7]}.items():
        bins = [np.digitize(x, np.float32(edges), right=True) for x in (t, p)]
        assert measured[name] == accuracy_score(*bins)
    assert measured["f1"] == pytest.approx(f1_score(t > 0, p > 0, average="weighted"))


@pytest.mark.parametrize("family", ["mosi", "sims"])
def test_correlation_agrees_with_scipy(family: str) -> None:
    prediction, target = drawn(family, 7)
    measured = metrics.measure(family, prediction, target)["corr"]
    if family == "sims":
        prediction, target = prediction.clamp(-1, 1), target.clamp(-1, 1)
    expected = pearsonr(prediction.double().numpy(), target.double().numpy()).statistic
    assert measured == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("family", ["mosi", "sims"])
def test_constant_predictions_have_correlation_zero(family: str) -> None:
    constant = torch.full((7,), 0.1234567)
    assert metrics.measure(family, constant, torch.linspace(-1, 1, 7))["corr"] == 0.0


def test_without_non_zero_labels_their_metrics_are_zero() -> None:
    measured = metrics.measure("mosi", torch.tensor([0.1, -0.2]), torch.zeros(2))
    assert (measured["acc_2_non0"], measured["f1_non0"]) == (0.0, 0.0)


def test_one_class_predicted_right_has_f1_one() -> None:
    measured = metrics.measure("mosi", torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0]))
    assert measured["f1_has0"] == measured["f1_non0"] == 1.0


# mag


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # without the two labels 0: |differences| 1, 1, .6, 1, 1.2, .6
        pytest.param("mae_non0", 5.4 / 6, id="mae-without-zero"),
        pytest.param("acc_7", 5 / 8, id="seven-classes-of-all"),
        # positive: labels 0 0 0 1 1 1, predictions 0 0 1 1 1 1, for a prediction of 0 is positive
        pytest.param("acc_2_non0", 5 / 6, id="two-classes-without-zero"),
        # negative 3 labels 2 calls 2 hits: 4/5; positive 3 labels 4 calls 3 hits: 6/7
        pytest.param("f1_non0", (3 * 4 / 5 + 3 * 6 / 7) / 6, id="f1-without-zero"),
    ],
)
def test_mag_metrics_agree_with_hand(name: str, expected: float) -> None:
    assert metrics.measure("mag", *columns())[name] == pytest.approx(expected, abs=1e-7)


def test_the_mag_correlation_leaves_out_labels_of_zero() -> None:
    prediction, target = columns()
    p, t = prediction[target != 0].double().numpy(), target[target != 0].double().numpy()
    measured = metrics.measure("mag", prediction, target)["corr_non0"]
    assert measured == pytest.approx(pearsonr(p, t).statistic, abs=1e-12)


def test_mag_without_non_zero_labels_has_its_metrics_of_them_zero() -> None:
    measured = metrics.measure("mag", torch.tensor([0.1, -0.2]), torch.zeros(2))
    assert {name for name, value in measured.items() if value == 0.0} == {
        "mae_non0",
        "corr_non0",
        "acc_2_non0",
        "f1_non0",
    }


# Any other regression


def test_errors_of_a_plain_regression_are_in_the_unit_of_the_target() -> None:
    prediction, target = torch.tensor([110.0, 190.0, 330.0]), torch.tensor([100.0, 200.0, 300.0])
    measured = metrics.measure("regression", prediction, target)
    assert measured["mae"] == pytest.approx(50 / 3)
    assert measured["rmse"] == pytest.approx((1100 / 3) ** 0.5)
    assert measured["corr"] == pytest.approx(pearsonr(prediction, target).statistic)


# Divergence, and names


def predictions(family: str, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    if metrics.FAMILIES[family].loss_family == "classification":
        return torch.eye(2).repeat(rows, 1)[:rows], torch.arange(rows) % 2
    return torch.linspace(-0.5, 0.5, rows), torch.linspace(-0.4, 0.3, rows)


@pytest.mark.parametrize("family", sorted(metrics.FAMILIES))
@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
def test_a_diverged_model_has_nothing_but_nan(family: str, value: float) -> None:
    prediction, target = predictions(family, 3)
    prediction.reshape(-1)[1] = value
    assert all(map(math.isnan, metrics.measure(family, prediction, target).values()))


@pytest.mark.parametrize("family", sorted(metrics.FAMILIES))
def test_the_names_of_a_family_are_what_it_measures(family: str) -> None:
    measured = metrics.measure(family, *predictions(family, 4))
    assert tuple(measured) == metrics.names(family)
    assert all(map(math.isfinite, measured.values()))
