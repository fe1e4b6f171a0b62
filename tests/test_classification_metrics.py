"""Metrics of classifications against numbers worked by hand and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score, top_k_accuracy_score

from mmsearch import metrics

# Probability of class 1 over that of class 0, as a logit, and the label.
HAND = [(2.0, 1), (1.0, 0), (0.5, 1), (-0.5, 1), (-1.0, 0), (-2.0, 0)]


def two_classes() -> tuple[torch.Tensor, torch.Tensor]:
    margin = torch.tensor([row[0] for row in HAND])
    return torch.stack([torch.zeros(6), margin], dim=1), torch.tensor([row[1] for row in HAND])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # called 1 1 1 0 0 0, labels 1 0 1 1 0 0
        pytest.param("accuracy", 4 / 6, id="accuracy"),
        # class 1: 3 labels, 3 calls, 2 hits
        pytest.param("f1", 2 / 3, id="f1-of-class-one"),
        # of the nine pairs, (.5 over 1) and (-.5 over 1) are out of order
        pytest.param("auc", 7 / 9, id="area-under-curve"),
    ],
)
def test_binary_metrics_agree_with_hand(name: str, expected: float) -> None:
    assert metrics.measure("binary", *two_classes())[name] == pytest.approx(expected, abs=1e-12)


def test_a_pair_of_equal_scores_counts_one_half() -> None:
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    measured = metrics.measure("binary", logits, torch.tensor([1, 0, 0]))
    assert measured["auc"] == pytest.approx(0.75)


def test_confident_scores_are_told_apart_though_their_probabilities_round_to_one() -> None:
    logits = torch.tensor([[0.0, 60.0], [0.0, 50.0]])
    assert logits.softmax(dim=1)[:, 1].tolist() == [1.0, 1.0]
    assert metrics.measure("binary", logits, torch.tensor([1, 0]))["auc"] == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_where_a_class_is_absent_the_area_is_that_of_chance(label: int) -> None:
    logits, _ = two_classes()
    assert metrics.measure("binary", logits, torch.full((6,), label))["auc"] == 0.5


def test_f1_is_zero_where_class_one_is_neither_called_nor_a_label() -> None:
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    measured = metrics.measure("binary", logits, torch.tensor([0, 0]))
    assert (measured["accuracy"], measured["f1"]) == (1.0, 0.0)


def drawn(classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that lean to the label, rounded so that some are equal."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, classes, 80)
    logits = np.eye(classes)[target] + generator.normal(0, 0.8, (80, classes))
    return torch.tensor(logits, dtype=torch.float32), torch.from_numpy(target)


@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_agree_with_scikit_learn(seed: int) -> None:
    logits, target = drawn(2, seed)
    margin = (logits[:, 1].double() - logits[:, 0].double()).round(decimals=1)
    logits = torch.stack([torch.zeros(80), margin.float()], dim=1)
    called = (margin > 0).long()
    assert metrics.measure("binary", logits, target) == pytest.approx(
        {
            "accuracy": accuracy_score(target, called),
            "f1": f1_score(target, called),
            "auc": roc_auc_score(target, margin),
        }
    )


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_multiclass_metrics_agree_with_scikit_learn(classes: int, seed: int) -> None:
    logits, target = drawn(classes, seed)
    called = logits.numpy().argmax(axis=1)
    assert metrics.measure("multiclass", logits, target) == pytest.approx(
        {
            "accuracy": accuracy_score(target, called),
            "f1_weighted": f1_score(target, called, average="weighted"),
            "f1_macro": f1_score(target, called, average="macro"),
        }
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([1, 1, 2, 3], id="class-0-is-no-label"),
        pytest.param([2, 2, 2, 2], id="one-label"),
        pytest.param([0], id="one-example"),
    ],
)
def test_absent_classes_count_as_scikit_learn_counts_them(rows: list[int]) -> None:
    target = torch.tensor(rows)
    logits, _ = drawn(5, 3)
    logits = logits[: len(rows)]
    called = logits.numpy().argmax(axis=1)
    measured = metrics.measure("multiclass", logits, target)
    for average in ("weighted", "macro"):
        expected = f1_score(target, called, average=average, zero_division=0)
        assert measured[f"f1_{average}"] == pytest.approx(expected)


@pytest.mark.parametrize("k", [2, 5])
def test_the_first_k_agree_with_scikit_learn(k: int) -> None:
    logits, target = drawn(9, 0)
    measured = metrics.measure("topics", logits, target)[f"top_{k}"]
    expected = top_k_accuracy_score(target, logits, k=k, labels=range(9))
    assert measured == pytest.approx(expected)


def test_topics_and_multiclass_agree_where_both_have_a_metric() -> None:
    logits, target = drawn(9, 1)
    topics, multiclass = (
        metrics.measure(name, logits, target) for name in ("topics", "multiclass")
    )
    assert {name: topics[name] for name in multiclass} == multiclass


def test_a_label_is_always_among_the_first_five_of_three_classes() -> None:
    assert metrics.measure("topics", *drawn(3, 0))["top_5"] == 1.0


def test_equal_logits_go_to_the_lower_class_and_flatter_nobody() -> None:
    logits, target = torch.zeros(4, 4), torch.arange(4)
    measured = metrics.measure("topics", logits, target)
    assert (measured["accuracy"], measured["top_2"]) == (0.25, 0.5)


def test_logits_in_half_precision_are_measured_as_they_are() -> None:
    logits, target = drawn(3, 2)
    halved = logits.bfloat16()
    assert metrics.measure("multiclass", halved, target) == metrics.measure(
        "multiclass", halved.float(), target
    )
