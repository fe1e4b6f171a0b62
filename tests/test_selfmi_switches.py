"""What every switch and weight of Self-MI changes, and that it changes nothing else."""

from typing import Any

import numpy as np
import pytest
import torch
import toys
from plain_loop import PlainLoop
from torch import Tensor, nn
from toy_selfmi import SPACES, built, terms_of, values, visit
from toys import toy_data

from mmsearch.methods.base import Phase, Progress

TERMS = ["task", "unimodal/", "cpc/", "pair/"]


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({}, TERMS),
        ({"unimodal_weight": 0.0}, ["task", "cpc/", "pair/"]),
        ({"cpc_weight": 0.0}, ["task", "unimodal/", "pair/"]),
        ({"pair_mi": "none"}, ["task", "unimodal/", "cpc/"]),
        ({"pair_weight": 0.0}, ["task", "unimodal/", "cpc/"]),
        ({"pair_mi": "mmilb"}, ["task", "unimodal/", "cpc/", "likelihood/", "entropy/"]),
    ],
    ids=toys.shown,
)
def test_an_ablation_leaves_out_its_terms_and_their_modules(config: dict[str, Any], kinds: list):
    found = terms_of(built(**config))
    assert {name[: name.find("/") + 1] or name for name in found} == set(kinds)


@pytest.mark.parametrize(
    ("modalities", "config", "pairs"),
    [
        (("text", "audio", "vision"), {}, ["text_vision", "text_audio"]),
        (
            ("text", "audio", "vision"),
            {"pair_vision_audio": True},
            ["text_vision", "text_audio", "audio_vision"],
        ),
        (
            ("text", "audio", "vision"),
            {"pair_vision_audio": True, "pair_mi": "mmilb"},
            ["text_vision", "text_audio", "vision_audio"],
        ),
        (("text", "audio"), {"pair_vision_audio": True}, ["text_audio"]),
        (("audio", "vision"), {}, ["audio_vision"]),
    ],
)
def test_pairs_are_those_whose_modalities_are_there(
    modalities: tuple[str, ...], config: dict[str, Any], pairs: list[str]
):
    kind = "likelihood/" if config.get("pair_mi") == "mmilb" else "pair/"
    found = terms_of(built(*modalities, **config))
    assert [name.removeprefix(kind) for name in found if name.startswith(kind)] == pairs


@pytest.mark.parametrize(
    ("weight", "kind"),
    [("cpc_weight", "cpc/"), ("pair_weight", "pair/"), ("unimodal_weight", "unimodal/")],
)
def test_a_weight_scales_its_terms_and_no_other(weight: str, kind: str):
    single, double = (terms_of(built(ulg="off", **{weight: value})) for value in (0.2, 0.4))
    for name, value in single.items():
        factor = 2 if name.startswith(kind) else 1
        assert double[name] == pytest.approx(factor * value)


def test_mmilb_weighs_likelihood_and_entropy_by_beta():
    train, found = toy_data().train, []
    for beta in (0.2, 0.4):
        method = built(pair_mi="mmilb", pair_weight=beta)
        for rows in torch.arange(48).split(16):
            terms = visit(method, train.take(rows), 1)
        found.append(terms)
    for name in ("likelihood/text_audio", "entropy/text_audio"):
        assert found[0][name] != 0
        assert found[1][name] == pytest.approx(2 * found[0][name])


def test_mmilb_fits_its_likelihood_in_a_phase_of_its_own():
    method = built(pair_mi="mmilb", mmilb_share=0.5)
    assert method.phases() == (
        Phase("mi", ("mi",), 0.5),
        Phase("main", ("audio", "vision", "other")),
    )
    terms = terms_of(method, phase="mi")
    assert set(terms) == {"mi/text_vision", "mi/text_audio"}
    main = terms_of(method)
    assert main["likelihood/text_audio"] == pytest.approx(0.1 * terms["mi/text_audio"])


def test_the_fitting_phase_moves_the_likelihood_alone_and_no_memory():
    method, train = built(pair_mi="mmilb"), toy_data().train
    before = {name: value.clone() for name, value in method.state_dict().items()}
    sum(method.losses(train, Progress(2, 9, "mi")).values()).backward()
    method.after_backward(train, Progress(2, 9, "mi"))
    moved = {name for name, weight in method.named_parameters() if weight.grad is not None}
    assert moved == {n for n, _ in method.named_parameters() if n.startswith("mmilb.likelihoods")}
    torch.testing.assert_close(method.state_dict(), before, rtol=0, atol=0)


def test_the_first_likelihood_is_fitted_better_by_the_fitting_phase():
    loop = PlainLoop("selfmi", {"pair_mi": "mmilb", "accumulation": 1}, toy_data())
    curves = loop.run(4)
    assert curves[-1]["mi/text_audio"] < curves[0]["mi/text_audio"]


def test_the_logvar_switch_adds_half_the_log_variance():
    torch.manual_seed(0)
    with_it = terms_of(built(pair_mi="mmilb"), phase="mi")
    without = terms_of(built(pair_mi="mmilb", mmilb_include_logvar=False), phase="mi")
    assert with_it.keys() == without.keys()
    assert with_it["mi/text_audio"] != without["mi/text_audio"]


def test_labels_wait_for_their_starting_epoch():
    method, train = built(ulg_start_epoch=3), toy_data().train
    memory = method.memory
    assert memory is not None
    for epoch in (1, 2):
        visit(method, train, epoch)
        assert memory.label("text").equal(train.target)
    visit(method, train, 3)
    assert not memory.label("text").equal(train.target)


def test_labels_stay_within_the_bound_of_the_task():
    method, train = built(momentum="off"), toy_data().train
    assert method.memory is not None
    for epoch in (1, 2):
        visit(method, train, epoch)
    assert method.memory.labels.abs().max() <= method.task.bound


def test_without_label_generation_heads_learn_the_human_label_from_the_first_epoch():
    method, train = built(ulg="off"), toy_data().train
    _, prediction = method.heads["text"](train.inputs["text"][:, 0])
    expected = (prediction - train.target).abs().mean().item()
    terms = values(method.losses(train, Progress(1, 9)))
    assert terms["unimodal/text"] == pytest.approx(expected)
    assert method.memory is None


def test_cpc_score_measures_distance_to_what_cpc_predicts_from_the_fusions_centres():
    method, train = built(ulg="cpc_score", momentum="off"), toy_data().train
    memory, cpc = method.memory, method.cpc
    assert memory is not None
    assert cpc is not None
    visit(method, train, 1)
    centres = memory.centres("fusion").clone()
    visit(method, train, 2)

    def alpha(feature: Tensor, centres: Tensor) -> np.ndarray:
        x, (p, n) = feature.detach().double().numpy(), centres.detach().double().numpy()
        norms = np.linalg.norm(x, axis=1)
        near, far = (1 - x @ c / norms / np.linalg.norm(c) for c in (p, n))
        return (far - near) / (near + 1e-8)

    audio = method.encoders["audio"](train.inputs["audio"], train.lengths["audio"])
    views = {m: method.encoders[m](train.inputs[m], train.lengths[m]) for m in SPACES[1:]}
    fused = alpha(method.heads["fusion"](method.fusion(views))[0], centres)
    own = alpha(audio, cpc.predictors["audio"](centres))
    y = train.target.double().numpy()
    new = np.clip(0.5 * y * own / (fused + 1e-8) + 0.5 * (y + own - fused), -3, 3)
    np.testing.assert_allclose(memory.label("audio"), new, rtol=1e-2, atol=1e-2)


def test_cpc_score_without_cpc_leaves_the_features_alone():
    method, train = built(ulg="cpc_score", cpc_weight=0.0), toy_data().train
    terms = method.losses(train, Progress(1, 9))
    terms["cpc/audio"].backward()
    moved = {name for name, weight in method.named_parameters() if weight.grad is not None}
    assert moved == {n for n, _ in method.named_parameters() if n.startswith("cpc.predictors.")}


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_cpc_goes_from_the_fusion_heads_feature_to_each_encoder(temperature: float):
    method, train = built(cpc_temperature=temperature, cpc_layers=2), toy_data().train
    views = {m: method.encoders[m](train.inputs[m], train.lengths[m]) for m in SPACES[1:]}
    z, _ = method.heads["fusion"](method.fusion(views))
    assert method.cpc is not None
    predicted = method.cpc.predictors["vision"](z).detach().double().numpy()
    actual = views["vision"].detach().double().numpy()
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (actual, predicted)]
    scores = unit[0] @ unit[1].T / temperature
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
    terms = values(method.losses(train, Progress(1, 9)))
    assert terms["cpc/vision"] == pytest.approx(0.1 * expected, rel=1e-4)


def test_groups_carry_their_rates_and_decays():
    method = built(
        pair_mi="mmilb",
        learning_rate_audio=0.1,
        weight_decay_vision=0.2,
        learning_rate_other=0.3,
        mmilb_weight_decay=0.4,
    )
    groups = {group.name: group for group in method.parameter_groups()}
    assert list(groups) == ["audio", "vision", "other", "mi"]
    assert groups["audio"].learning_rate == 0.1
    assert groups["vision"].weight_decay == 0.2
    assert groups["other"].learning_rate == 0.3
    assert groups["mi"].weight_decay == 0.4


def test_widths_and_dropouts_reach_their_modules():
    method = built(audio_hidden=3, vision_features=5, post_text=7, dropout_fusion=0.25)
    state = {name: tuple(weight.shape) for name, weight in method.named_parameters()}
    assert state["encoders.audio.lstm.weight_hh_l0"] == (12, 3)
    assert state["encoders.vision.output.weight"] == (5, 32)
    assert state["heads.text.feature.1.weight"] == (7, 12)
    dropout = method.get_submodule("heads.fusion.feature.0")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.25
