"""MIM: every term against numpy, whom its gradients reach, and what every switch changes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import toys
from plain_loop import PlainLoop
from test_guidance import numpy_best
from toy_mim import HALF_SHUT, NAMES, SMALL, batch_of, built, predictions, terms_of, values, vectors
from toys import toy_data, train_on_two_workers

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.errors import StudyError
from mmsearch.methods.base import Progress
from mmsearch.methods.mim import MIM

TERMS = ["task", "unmasked/", "masked/", "penalty/", "intra/", "inter"]
VARIANTS: dict[str, dict[str, Any]] = {
    "by batch": {"kgs_granularity": "batch", "kd_divide_by_T": True},
    "gates half shut": HALF_SHUT,
    "the task and unmasked alone": {
        "mask_weight": 0.0,
        "penalty_weight": 0.0,
        "intra_weight": 0.0,
        "inter_weight": 0.0,
    },
    "multiplicative": {"fusion": {"kind": "multiplicative", "features": 4}, "activation": "gelu"},
    "concat": {"fusion": {"kind": "concat"}},
    "one step": {"update": "one_step"},
}
every_variant = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gates_of(method: MIM, batch: Batch) -> dict[str, tuple[int, int]]:
    """How many real steps have open gates, and how many there are."""
    found = {}
    for name, (_, _, scores) in vectors(method, batch).items():
        real = torch.arange(scores.shape[1]) < batch.lengths[name].unsqueeze(1)
        opened = (method.gate.gates(scores, None) == 1) & real
        found[name] = int(opened.sum()), int(real.sum())
    return found


def errors_of(method: MIM, batch: Batch) -> np.ndarray:
    """Absolute errors (unmasked or purified, modality, example)."""
    found = [
        [(p - batch.target).abs().numpy() for p in pair]
        for pair in predictions(method, batch).values()
    ]
    return np.array(found).transpose(1, 0, 2)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_task_unmasked_and_masked_terms_are_mean_absolute_errors(activation: str):
    method, batch = built(activation=activation, **HALF_SHUT), batch_of()
    terms, errors = terms_of(method), errors_of(method, batch)
    for index, name in enumerate(NAMES):
        assert terms[f"unmasked/{name}"] == pytest.approx(errors[0, index].mean(), rel=1e-5)
        assert terms[f"masked/{name}"] == pytest.approx(errors[1, index].mean(), rel=1e-5)
    fused = method.fusion({name: p for name, (_, p, _) in vectors(method, batch).items()})
    expected = (method.prediction(fused).squeeze(1) - batch.target).abs().mean()
    assert terms["task"] == pytest.approx(expected.item(), rel=1e-5)
    assert (method(batch) - batch.target).abs().mean().item() == pytest.approx(terms["task"])


def test_toy_gates_are_neither_all_open_nor_all_shut():
    counts = gates_of(built(**HALF_SHUT), batch_of())
    opened, real = (sum(column) for column in zip(*counts.values(), strict=True))
    assert 0 < opened < real


def test_the_penalty_is_the_expected_share_of_open_gates_over_real_steps():
    method, batch = built(**HALF_SHUT), batch_of()
    terms = terms_of(method)
    for name, (_, _, scores) in vectors(method, batch).items():
        shift = 0.05 - (1 / 3) * np.log(0.2)
        chance = 1 / (1 + np.exp(-(scores.numpy() + shift)))
        lengths = batch.lengths[name].tolist()
        expected = np.mean([row[:n].mean() for row, n in zip(chance, lengths, strict=True)])
        assert terms[f"penalty/{name}"] == pytest.approx(0.1 * expected, rel=1e-5)


@pytest.mark.parametrize("granularity", ["sample", "batch"])
def test_intra_draws_the_worse_branch_to_the_better(granularity: str):
    method, batch = built(kgs_granularity=granularity, **HALF_SHUT), batch_of()
    terms, errors = terms_of(method), errors_of(method, batch)
    for index, (name, (u, p)) in enumerate(predictions(method, batch).items()):
        first, second = errors[:, index]
        differ = first != second if granularity == "sample" else first.mean() != second.mean()
        expected = np.mean(np.where(differ, (u - p).square().numpy(), 0.0))
        assert terms[f"intra/{name}"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("granularity", ["sample", "batch"])
def test_who_learns_within_a_modality_is_decided_by_example_or_by_batch(granularity: str):
    method, batch = built("text", "audio", kgs_granularity=granularity, **HALF_SHUT), batch_of()
    errors = errors_of(method, batch)[:, 1]
    decided = errors if granularity == "sample" else errors.mean(axis=1, keepdims=True)
    u, p = predictions(method, batch)["audio"]
    unmasked, purified, _ = vectors(method, batch)["audio"]
    u_learns = torch.tensor(np.broadcast_to(decided[0] > decided[1], 16).copy())
    p_learns = torch.tensor(np.broadcast_to(decided[0] < decided[1], 16).copy())
    assert granularity == "batch" or (u_learns.any() and p_learns.any())
    slope = 2 / 16 * ((u - p) * u_learns)[:, None] * unmasked
    slope = slope + 2 / 16 * ((p - u) * p_learns)[:, None] * purified
    method.losses(batch, Progress(1, 9))["intra/audio"].backward()
    found = method.heads["audio"].weight.grad
    torch.testing.assert_close(found, slope.sum(dim=0, keepdim=True), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("divide", [False, True])
@pytest.mark.parametrize("granularity", ["sample", "batch"])
def test_inter_is_the_formula(granularity: str, divide: bool):
    config = {"kgs_granularity": granularity, "kd_divide_by_T": divide, "kd_temperature": 3.0}
    method, batch = built(**config, **HALF_SHUT), batch_of()
    features = np.array([p.numpy() for _, p, _ in vectors(method, batch).values()])
    errors = errors_of(method, batch)[1]
    if granularity == "batch":
        errors = np.repeat(errors.mean(axis=1, keepdims=True), 16, axis=1)
    expected = numpy_best(features, errors, 3.0, divide)
    assert terms_of(method)["inter"] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def moved(method: MIM, kind: str) -> set[str]:
    """Weights that get a gradient of a kind of terms, by their first names."""
    terms = method.losses(batch_of(), Progress(1, 9))
    sum(value for name, value in terms.items() if name.startswith(kind)).backward()
    return {
        name.split(".")[0]
        for name, weight in method.named_parameters()
        if weight.grad is not None and weight.grad.any()
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("task", {"encoders", "upn", "fusion", "prediction"}),
        ("unmasked/", {"encoders", "heads"}),
        ("masked/", {"upn_masked"}),
        ("penalty/", {"upn_masked"}),
        ("intra/", {"encoders", "upn", "heads"}),
        ("inter", {"encoders", "upn"}),
    ],
)
def test_a_term_reaches_these_weights_and_no_other(kind: str, expected: set[str]):
    assert moved(built(**HALF_SHUT), kind) == expected
    without_shadow = {name.removesuffix("_masked") for name in expected}
    assert moved(built(update="one_step", **HALF_SHUT), kind) == without_shadow


@pytest.mark.parametrize("update", ["two_steps", "one_step"])
def test_masked_terms_move_the_upn_as_if_nothing_had_been_cut_off(update: str):
    method, batch = built(update=update, **HALF_SHUT), batch_of()
    upn = list((method.upn_masked or method.upn).parameters())
    term = method.losses(batch, Progress(1, 9))["masked/text"]
    confined = torch.autograd.grad(term, upn, allow_unused=True)
    lengths = batch.lengths["text"]
    sequence = method.encoders["text"](batch.inputs["text"], lengths)
    purified, _ = method._purified(method.upn["text"], sequence, lengths, None)
    whole = (method.heads["text"](purified) - batch.target).abs().mean()
    expected = torch.autograd.grad(whole, list(method.upn.parameters()), allow_unused=True)
    for ours, theirs in zip(confined, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("update", ["two_steps", "one_step"])
def test_both_readings_of_a_gate_share_its_noise_while_training(update: str):
    method = built(
        update=update,
        gate_bias=0.0,
        dropout_attention=0.0,
        dropout_relu=0.0,
        dropout_residual=0.0,
        dropout_embedding=0.0,
    ).train()
    view = method._view("audio", batch_of())
    assert view.purified.equal(view.confined)
    assert not method._view("audio", batch_of()).purified.equal(view.purified)


def kinds(terms: dict[str, float]) -> list[str]:
    return list(dict.fromkeys(name[: name.find("/") + 1] or name for name in terms))


@pytest.mark.parametrize(
    ("weight", "kind"),
    [
        ("mask_weight", "masked/"),
        ("penalty_weight", "penalty/"),
        ("intra_weight", "intra/"),
        ("inter_weight", "inter"),
        ("unmask_weight", "unmasked/"),
    ],
)
def test_a_weight_scales_its_terms_and_no_other_and_0_leaves_them_out(weight: str, kind: str):
    single, double = (terms_of(built(**HALF_SHUT, **{weight: value})) for value in (0.5, 1.0))
    assert sorted(kinds(single)) == sorted(TERMS)
    for name, value in single.items():
        factor = 2 if name.startswith(kind) else 1
        assert double[name] == pytest.approx(factor * value)
    if weight != "unmask_weight":
        without = terms_of(built(**HALF_SHUT, **{weight: 0.0}))
        assert without == {n: v for n, v in double.items() if not n.startswith(kind)}


@pytest.mark.parametrize(
    ("config", "touched"),
    [
        # Which weights a term moves, and who teaches within a modality, change no value.
        ({"update": "one_step"}, set()),
        ({"kgs_granularity": "batch"}, {"inter"}),
        ({"kd_divide_by_T": True}, {"inter"}),
        ({"kd_temperature": 2.0}, {"inter"}),
        ({"gate_gamma": -0.4}, {"task", "masked/", "intra/", "inter", "penalty/"}),
        ({"activation": "relu"}, {"task", "unmasked/", "masked/", "intra/", "inter"}),
        ({"deterministic_eval": False}, {"task", "masked/", "intra/", "inter"}),
        ({"gate_threshold": 0.9}, {"task", "masked/", "intra/", "inter"}),
        ({"gate_temperature": 0.9}, {"task", "masked/", "intra/", "inter", "penalty/"}),
        ({"gate_bias": 0.1}, {"task", "masked/", "intra/", "inter", "penalty/"}),
    ],
    ids=toys.shown,
)
def test_a_switch_changes_these_terms_and_no_other(config: dict[str, Any], touched: set[str]):
    before, after = terms_of(built(**HALF_SHUT)), terms_of(built(**{**HALF_SHUT, **config}))
    changed = {
        name[: name.find("/") + 1] or name
        for name, value in before.items()
        if after[name] != pytest.approx(value, rel=1e-5, abs=1e-9)
    }
    assert before.keys() == after.keys()
    assert changed == touched


def test_the_switch_of_the_source_puts_a_relu_in_front_of_the_mixture():
    shapes = [
        {name: tuple(weight.shape) for name, weight in method.named_parameters()}
        for method in (built(), built(gate_relu=True))
    ]
    assert shapes[0] == shapes[1]
    scores = [method.upn["text"].score for method in (built(), built(gate_relu=True))]
    assert [type(layer).__name__ for layer in scores[0]] == ["Linear", "ReLU", "Linear"]
    assert [type(layer).__name__ for layer in scores[1]] == ["Linear", "ReLU", "Linear", "ReLU"]


def test_sizes_reach_their_modules():
    method = built(features=8, heads=2, layers=2, gate_points=20)
    shapes = {name: tuple(weight.shape) for name, weight in method.named_parameters()}
    assert shapes["encoders.text.convolution.weight"] == (8, 12, 3)
    assert shapes["encoders.audio.encoders.1.layers.1.wide.0.weight"] == (32, 8)
    assert shapes["upn.vision.mixture.0.weight"] == (4, 20)
    assert shapes["upn.vision.ahead.weight_hh_l0"] == (16, 4)
    assert shapes["heads.text.weight"] == (1, 8)
    assert not [name for name in shapes if name.startswith("encoders.text.encoders")]


@pytest.mark.parametrize(
    ("setting", "suffix"),
    [("relu", "wide.2"), ("residual", "layers.0.dropout"), ("embedding", "encoders.1.dropout")],
)
def test_a_dropout_reaches_both_transformers(setting: str, suffix: str):
    rates = {f"dropout_{name}": 0.0 for name in ("attention", "relu", "residual", "embedding")}
    method = built(**{**rates, f"dropout_{setting}": 0.25})
    found = {
        name for name, m in method.named_modules() if isinstance(m, torch.nn.Dropout) and m.p > 0
    }
    assert found == {n for n in found if n.endswith(suffix)}
    assert {name.split(".")[1] for name in found} == {"audio", "vision"}


def test_evaluation_is_deterministic_by_default_and_takes_no_random_numbers():
    method, batch = built(**HALF_SHUT), batch_of()
    before = torch.get_rng_state()
    assert method(batch).equal(method(batch))
    assert torch.get_rng_state().equal(before)


def test_faithful_evaluation_draws_noise_from_the_seeded_stream():
    method, batch = built(deterministic_eval=False, **HALF_SHUT), batch_of()
    torch.manual_seed(5)
    first, second = method(batch), method(batch)
    assert not first.equal(second)
    torch.manual_seed(5)
    assert method(batch).equal(first)


def test_vectors_have_one_gate_which_keeps_or_drops_a_whole_modality():
    data = toy_data(steps=1)
    method = built(**HALF_SHUT)
    for unmasked, purified, scores in vectors(method, data.train).values():
        assert scores.shape == (64, 1)
        dropped = ~purified.any(dim=1)
        assert purified[~dropped].equal(unmasked[~dropped])
    assert np.isfinite(PlainLoop("mim", SMALL, data).run(2)[-1]["task"])


@pytest.mark.parametrize("modalities", [2, 6])
def test_two_to_six_modalities_of_any_names_are_taken(modalities: int):
    names = [f"view_{index}" for index in range(modalities)]
    task = type(t := toy_data().task)(**{**vars(t), "modalities": dict.fromkeys(names, 3)})
    method = methods.build("mim", SMALL, task)
    lengths = {name: torch.tensor([2, 4, 1]) for name in names}
    inputs = {name: torch.randn(3, 4, 3) for name in names}
    batch = Batch(inputs, lengths, torch.tensor([1.0, -1.0, 0.0]), torch.arange(3))
    terms = method.losses(batch, Progress(1, 9))
    sum(terms.values()).backward()
    assert len([name for name in terms if name.startswith("intra/")]) == modalities


@every_variant
def test_a_variant_resumes_bit_for_bit(config: dict[str, Any]):
    data = toy_data(num_train=20)
    through = PlainLoop("mim", {**SMALL, **config}, data)
    through.run(1)
    state = through.state()
    curves = through.run(1)
    resumed = PlainLoop("mim", {**SMALL, **config}, data)
    resumed.restore(state)
    assert resumed.run(1) == curves
    for name, value in through.method.state_dict().items():
        assert resumed.method.state_dict()[name].equal(value), name


@every_variant
def test_a_variant_moves_every_weight_that_it_has(config: dict[str, Any]):
    loop = PlainLoop("mim", {**SMALL, **config}, toy_data())
    before = {name: weight.clone() for name, weight in loop.method.named_parameters()}
    loop.run(2)
    still = [name for name, weight in loop.method.named_parameters() if weight.equal(before[name])]
    assert still == []


@every_variant
def test_two_workers_agree_with_one_in_a_variant(config: dict[str, Any]):
    batch = batch_of(rows=11)
    alone, *gang = (built(**config) for _ in range(3))
    expected = terms_of(alone, batch)
    found = train_on_two_workers(gang, batch, epoch=1)
    for name, value in expected.items():
        _, _, mean = found[name]
        assert mean.item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert MIM.coupled_terms == frozenset()


def test_half_precision_weights_keep_losses_in_float32():
    method, train = built().bfloat16(), batch_of()
    half = train.to(torch.device("cpu"), torch.bfloat16)
    terms = method.losses(half, Progress(1, 9))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    sum(terms.values()).backward()
    assert method(half).dtype == torch.float32


def test_autocasting_keeps_losses_in_float32():
    method, batch = built(), batch_of()
    exact = terms_of(method)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = method.losses(batch, Progress(1, 9))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    smooth = ("task", "unmasked/text", "masked/audio", "penalty/vision")
    found = values(terms)
    assert [found[name] for name in smooth] == pytest.approx(
        [exact[name] for name in smooth], rel=0.03
    )


def test_a_classification_is_refused():
    task = toy_data().task
    other = type(task)(
        **{**vars(task), "loss_family": "classification", "classes": ("a", "b", "c")}
    )
    with pytest.raises(StudyError, match="mim predicts a number; toy has 3 classes"):
        methods.build("mim", {}, other)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(StudyError, match="heads must divide features, got heads=5, features=32"):
        methods.build("mim", {"features": 32}, toy_data().task)
