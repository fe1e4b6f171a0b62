"""The baseline: its arms, what each setting changes, and its terms against numpy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from toys import SIX_VIEWS, TOYS, toy_data

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.datasets.task import SearchData
from mmsearch.methods.base import Progress
from mmsearch.methods.baseline import Baseline, averaged

ARMS: Mapping[str, dict[str, Any]] = {
    "concat": {},
    "late": {},
    "sum": {},
    "gated": {},
    "tensor": {"features": 2},
    "low_rank": {},
    "cross_attention": {},
    "multiplicative": {},
}
every_arm = pytest.mark.parametrize("kind", ARMS)
families = pytest.mark.parametrize("toy", ["regression-3", "classes-3"])


def built(data: SearchData, **config: Any) -> Baseline:
    torch.manual_seed(0)
    method = methods.build("baseline", config, data.task)
    assert isinstance(method, Baseline)
    return method.eval()


def terms_of(method: Baseline, data: SearchData) -> dict[str, float]:
    terms = method.losses(data.train, Progress(1, 9))
    return {name: term.item() for name, term in terms.items()}


def unimodal(method: Baseline, data: SearchData) -> dict[str, np.ndarray]:
    """What each head makes of its own modality."""
    parts = zip(method.names, method.encoders, method.unimodal_heads, strict=True)
    inputs, lengths = data.train.inputs, data.train.lengths
    found = {name: head(encoder(inputs[name], lengths[name])) for name, encoder, head in parts}
    return {name: value.detach().double().numpy() for name, value in found.items()}


def probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@every_arm
@families
@pytest.mark.parametrize(
    "modalities", [SIX_VIEWS[:2], ("left", "right", "text"), SIX_VIEWS], ids=len
)
def test_every_arm_takes_two_to_six_modalities_of_any_names(
    kind: str, toy: str, modalities: tuple[str, ...]
) -> None:
    data = toy_data(modalities, num_train=7, classes=4 if toy == "classes-3" else 0)
    method = built(data, fusion={"kind": kind, **ARMS[kind]}, unimodal_weight=0.5)
    terms = method.losses(data.train, Progress(1, 9))
    sum(terms.values(), torch.zeros(())).backward()
    assert list(terms) == ["task", *(f"unimodal/{name}" for name in modalities)]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_a_modality_may_have_a_name_that_modules_have() -> None:
    data = toy_data(("type", "a.b"), num_train=7)
    assert set(terms_of(built(data, unimodal_weight=1.0), data)) == {
        "task",
        "unimodal/type",
        "unimodal/a.b",
    }


def test_late_fusion_of_a_regression_is_the_mean_of_the_predictions() -> None:
    data = TOYS["regression-3"]()
    method = built(data, fusion={"kind": "late"})
    mean = np.mean([value[:, 0] for value in unimodal(method, data).values()], axis=0)
    np.testing.assert_allclose(method(data.train).detach(), mean, rtol=1e-5, atol=1e-6)


def test_late_fusion_of_a_classification_is_the_mean_of_the_probabilities() -> None:
    data = TOYS["classes-3"]()
    method = built(data, fusion={"kind": "late"})
    mean = np.mean([probabilities(v) for v in unimodal(method, data).values()], axis=0)
    logits = method(data.train).detach().double().numpy()
    np.testing.assert_allclose(probabilities(logits), mean, rtol=1e-5)


def test_probabilities_are_averaged_where_a_logit_is_huge() -> None:
    logits = torch.tensor([[[1000.0, 0.0]], [[0.0, 0.0]]])
    assert averaged(logits).exp().tolist() == [[pytest.approx(0.75), pytest.approx(0.25)]]


def test_the_terms_of_a_regression_are_mean_absolute_errors() -> None:
    data = TOYS["regression-3"]()
    method = built(data, unimodal_weight=0.5)
    target = data.train.target.numpy()
    expected = {"task": np.abs(method(data.train).detach().numpy() - target).mean()}
    for name, value in unimodal(method, data).items():
        expected[f"unimodal/{name}"] = 0.5 * np.abs(value[:, 0] - target).mean()
    assert terms_of(method, data) == pytest.approx(expected, rel=1e-5)


def test_the_terms_of_a_classification_are_cross_entropies() -> None:
    data = TOYS["classes-3"]()
    method = built(data, unimodal_weight=0.5)
    rows, target = np.arange(len(data.train)), data.train.target.numpy()

    def entropy(logits: np.ndarray) -> float:
        return -np.log(probabilities(logits)[rows, target]).mean()

    expected = {"task": entropy(method(data.train).detach().double().numpy())}
    for name, value in unimodal(method, data).items():
        expected[f"unimodal/{name}"] = 0.5 * entropy(value)
    assert terms_of(method, data) == pytest.approx(expected, rel=1e-5)


@every_arm
def test_without_unimodal_weight_only_late_fusion_has_unimodal_heads(kind: str) -> None:
    data = TOYS["regression-3"]()
    method = built(data, fusion={"kind": kind, **ARMS[kind]})
    assert len(method.unimodal_heads) == (3 if kind == "late" else 0)
    assert set(terms_of(method, data)) == {"task"}


@families
def test_unimodal_weight_changes_the_unimodal_terms_alone(toy: str) -> None:
    data = TOYS[toy]()
    once = terms_of(built(data, unimodal_weight=0.5), data)
    twice = terms_of(built(data, unimodal_weight=1.0), data)
    assert twice.pop("task") == once.pop("task")
    assert twice == pytest.approx({name: 2 * value for name, value in once.items()})


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("mean", {0, 1, 2}), ("first", {0}), ("lstm", {0, 1, 2})],
    ids=["mean", "first", "lstm"],
)
def test_an_encoder_sees_the_steps_that_its_name_says(kind: str, seen: set[int]) -> None:
    method = built(toy_data(("left", "right")), encoder={"kind": kind})
    sequence = torch.randn(1, 5, method.task.modalities["left"], requires_grad=True)
    method.encoders[0](sequence, torch.tensor([3])).sum().backward()
    assert sequence.grad is not None
    assert set(sequence.grad[0].any(dim=1).nonzero().flatten().tolist()) == seen


def test_text_has_an_encoder_of_its_own() -> None:
    data = toy_data(("text", "audio"), num_train=7)
    plain = built(data)
    wide = built(data, text_encoder={"kind": "first", "features": 10})
    widths = [[encoder.out_features for encoder in one.encoders] for one in (plain, wide)]
    assert widths == [[64, 64], [10, 64]]


@pytest.mark.parametrize(
    ("name", "family"), [("baseline", "mosei922"), ("baseline_mfeat", "mfeat")]
)
def test_a_study_of_the_baseline_starts_from_its_defaults_with_patience(
    name: str, family: str
) -> None:
    study = studies.load(studies.find(name), schema_of=methods.schema_of)
    assert study.dataset == family
    assert study.published == Baseline.Config(patience=8).model_dump()
    assert set(study.space.table()["fusion"]) == set(ARMS)
