"""Self-MM: the same as Self-MI without its information, and labels against a numpy run."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import PlainLoop
from toys import toy_data

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.losses.label_generation import trusted_error
from mmsearch.methods.base import Progress
from mmsearch.methods.selfmm import SelfMM

WITHOUT_INFORMATION = {"cpc_weight": 0.0, "pair_mi": "none"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(**config: Any) -> SelfMM:
    torch.manual_seed(0)
    method = methods.build("selfmm", config, toy_data().task)
    assert isinstance(method, SelfMM)
    return method.eval()


@pytest.mark.parametrize(
    "modalities", [("text", "audio", "vision"), ("audio", "vision")], ids=["three", "two"]
)
@pytest.mark.parametrize("exclude_zero", [True, False], ids=["without zero", "with zero"])
def test_it_is_self_mi_without_mutual_information(
    modalities: tuple[str, ...], exclude_zero: bool
) -> None:
    data, config = toy_data(modalities), {"exclude_zero": exclude_zero}
    loops = [
        PlainLoop("selfmm", config, data),
        PlainLoop("selfmi", config | WITHOUT_INFORMATION, data),
    ]
    curves = [loop.run(4) for loop in loops]
    assert curves[0] == curves[1]
    assert loops[0].predict(data.valid).equal(loops[1].predict(data.valid))


def test_labels_of_one_example_follow_the_rule_worked_by_hand() -> None:
    method, train = built(), toy_data().train
    for epoch in (1, 2):
        method.losses(train, Progress(epoch, 9))
        features = {space: value.double().numpy() for space, value in method._features.items()}
        centres = {s: method.memory.centres(s).double().numpy() for s in method.memory.spaces}
        method.after_backward(train, Progress(epoch, 9))
    target = train.target.double().numpy()
    row, alpha = 3, {}
    for space in method.memory.spaces:
        near, far = (np.linalg.norm(features[space][row] - c) for c in centres[space])
        alpha[space] = (far - near) / (near + 1e-8)
    y = target[row]
    for name in ("text", "audio", "vision"):
        ratio = y * alpha[name] / (alpha["fusion"] + 1e-8)
        new = np.clip(0.5 * ratio + 0.5 * (y + alpha[name] - alpha["fusion"]), -3, 3)
        expected = 1 / 3 * y + 2 / 3 * new
        assert method.memory.label(name)[row].item() == pytest.approx(expected, abs=1e-4)
        positive = method.memory.label(name).numpy() > 0
        mean = features[name][positive].mean(axis=0)
        np.testing.assert_allclose(method.memory.centres(name)[0], mean, rtol=1e-4, atol=1e-5)


def test_an_error_counts_by_how_far_its_label_is_from_the_human_one() -> None:
    prediction, label = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0.0, 1.0, 0.5])
    found = trusted_error(prediction, label, torch.tensor([2.0, 1.0, -0.5]))
    assert found.item() == pytest.approx((np.tanh(2) * 1 + 0 + np.tanh(1) * 1.5) / 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (toy_data(classes=3), "selfmm takes regressions, and toy is a classification"),
        (toy_data(("text", "mrna")), "selfmm takes two or three of text, audio, vision; toy has t"),
        (toy_data(("text",)), "toy has text. Choose another dataset or method"),
    ],
    ids=["classes", "another modality", "one modality"],
)
def test_data_of_another_kind_are_refused(data: Any, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        methods.build("selfmm", {}, data.task)
