"""MMDynamics: its terms worked by hand in numpy, and what its switches change."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toys import toy_data

from mmsearch import methods
from mmsearch.datasets.task import SearchData
from mmsearch.errors import StudyError
from mmsearch.methods.base import Progress
from mmsearch.methods.mmdynamics import MMDynamics

VIEWS = ("mrna", "methylation", "mirna")


def built(data: SearchData, **config: Any) -> MMDynamics:
    torch.manual_seed(0)
    method = methods.build("mmdynamics", {"hidden": 8, **config}, data.task)
    assert isinstance(method, MMDynamics)
    return method.eval()


def linear(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    weight, bias = (p.detach().double().numpy() for p in layer.parameters())
    return x @ weight.T + bias


def entropy(logits: np.ndarray, target: np.ndarray) -> float:
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return float(-log[np.arange(len(target)), target].mean())


def test_terms_are_those_of_the_code_worked_by_hand() -> None:
    data = toy_data(VIEWS, steps=1, classes=3, num_train=9)
    method, target = built(data), data.train.target.numpy()
    expected, weighed = {}, []
    for index, name in enumerate(VIEWS):
        x = data.train.inputs[name][:, 0].double().numpy()
        gates = 1 / (1 + np.exp(-linear(method.gates[index], x)))
        features = np.maximum(linear(method.encoders[index], gates * x), 0)
        logits = linear(method.classifiers[index], features)
        confidence = linear(method.confidences[index], features)
        weighed.append(features * confidence)
        share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        own = share[np.arange(9), target]
        expected[f"unimodal/{name}"] = entropy(logits, target)
        expected[f"confidence/{name}"] = ((confidence[:, 0] - own) ** 2).mean()
        expected[f"sparsity/{name}"] = gates.mean()
    joined = linear(method.head, np.concatenate(weighed, axis=1))
    expected["task"] = entropy(joined, target)
    terms = {k: v.item() for k, v in method.losses(data.train, Progress(1, 9)).items()}
    assert terms == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(method(data.train).detach(), joined, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("detach", [False, True], ids=["as in the code", "detached"])
def test_the_target_of_a_confidence_takes_a_gradient_unless_detached(detach: bool) -> None:
    data = toy_data(VIEWS, steps=1, classes=3, num_train=9)
    method = built(data, detach_confidence_target=detach)
    method.losses(data.train, Progress(1, 9))["confidence/mrna"].backward()
    (weight, _) = method.classifiers[0].parameters()
    assert (weight.grad is None) is detach


@pytest.mark.parametrize("kind", ["confidence", "sparsity"])
def test_a_weight_scales_its_terms_and_0_leaves_them_out(kind: str) -> None:
    data = toy_data(VIEWS, steps=1, classes=3, num_train=9)
    found = [
        built(data, **{f"{kind}_weight": weight}).losses(data.train, Progress(1, 9))
        for weight in (1.0, 0.5, 0.0)
    ]
    assert found[1][f"{kind}/mrna"].item() == pytest.approx(found[0][f"{kind}/mrna"].item() / 2)
    assert set(found[0]) - set(found[2]) == {f"{kind}/{name}" for name in VIEWS}


@pytest.mark.parametrize("name", ["mmdynamics", "tmc"])
def test_a_regression_is_refused(name: str) -> None:
    words = f"dataset: {name} takes classifications, and toy is a regression. Choose another"
    with pytest.raises(StudyError, match=words):
        methods.build(name, {}, toy_data().task)
