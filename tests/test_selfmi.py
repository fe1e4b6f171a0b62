"""Self-MI: labels against a numpy run of METHODS' rules, terms, and what every switch changes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import PlainLoop
from torch import Tensor, nn
from toy_selfmi import SPACES, built, values, visit
from toys import toy_data, train_on_two_workers

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.methods.base import Progress
from mmsearch.methods.selfmi import SelfMI

VARIANTS: dict[str, dict[str, Any]] = {
    "mmilb": {"pair_mi": "mmilb", "pair_vision_audio": True},
    "cpc_score": {"ulg": "cpc_score"},
    "cpc_score without CPC": {"ulg": "cpc_score", "cpc_weight": 0.0},
    "without labels": {"ulg": "off"},
    "the task alone": {"unimodal_weight": 0.0, "cpc_weight": 0.0, "pair_mi": "none"},
    "two-layer CPC": {"cpc_layers": 2, "cpc_temperature": 0.1},
    "low_rank": {"fusion": {"kind": "low_rank", "rank": 2, "features": 8}},
}
every_variant = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class NumpyLabels:
    """Self-MM's label generation, one example and one space at a time."""

    def __init__(self, human: np.ndarray, bound: float, exclude_zero: bool, momentum: bool) -> None:
        self.human, self.bound = human, bound
        self.exclude_zero, self.momentum = exclude_zero, momentum
        self.labels = {space: human.copy() for space in SPACES}
        self.banks: dict[str, np.ndarray] = {}
        self.centres: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def visit(self, rows: np.ndarray, features: Mapping[str, np.ndarray], epoch: int) -> None:
        if epoch > 1:
            for position, row in enumerate(rows):
                alpha = {s: self.polarity(s, features[s][position]) for s in SPACES}
                for space in SPACES[1:]:
                    self.relabel(space, row, alpha[space], alpha["fusion"], epoch)
        for space in SPACES:
            width = features[space].shape[1]
            bank = self.banks.setdefault(space, np.zeros((len(self.human), width)))
            bank[rows] = features[space]
            label = self.labels[space]
            positive = label > 0 if self.exclude_zero else label >= 0
            self.centres[space] = bank[positive].mean(axis=0), bank[label < 0].mean(axis=0)

    def polarity(self, space: str, feature: np.ndarray) -> float:
        near, far = (np.sqrt(np.sum((feature - c) ** 2)) for c in self.centres[space])
        return float((far - near) / (near + 1e-8))

    def relabel(self, space: str, row: int, alpha: float, fused: float, epoch: int) -> None:
        y = self.human[row]
        new = 0.5 * y * alpha / (fused + 1e-8) + 0.5 * (y + alpha - fused)
        new = min(max(new, -self.bound), self.bound)
        if self.momentum:
            new = (epoch - 1) / (epoch + 1) * self.labels[space][row] + 2 / (epoch + 1) * new
        self.labels[space][row] = new


@pytest.mark.parametrize("exclude_zero", [True, False], ids=["without zero", "with zero"])
@pytest.mark.parametrize("momentum", ["paper", "off"])
def test_labels_and_centres_follow_the_rules_over_three_epochs(exclude_zero: bool, momentum: str):
    method, train = built(exclude_zero=exclude_zero, momentum=momentum), toy_data().train
    reference = NumpyLabels(
        train.target.numpy().astype(np.float64), 3.0, exclude_zero, momentum == "paper"
    )
    caught: dict[str, np.ndarray] = {}
    for space in SPACES:
        layer = method.get_submodule(f"heads.{space}.feature")

        def catch(_: nn.Module, __: Any, output: Tensor, space: str = space) -> None:
            caught[space] = output.detach().double().numpy()

        layer.register_forward_hook(catch)
    for epoch in (1, 2, 3):
        for rows in torch.randperm(64, generator=torch.Generator().manual_seed(epoch)).split(16):
            visit(method, train.take(rows), epoch)
            reference.visit(rows.numpy(), caught, epoch)
    memory = method.memory
    assert memory is not None
    for space in SPACES:
        np.testing.assert_allclose(
            memory.label(space), reference.labels[space], rtol=1e-3, atol=1e-3
        )
        for centre, expected in zip(memory.centres(space), reference.centres[space], strict=True):
            np.testing.assert_allclose(centre, expected, rtol=1e-3, atol=1e-4)
    assert not memory.label("text").equal(memory.label("fusion"))


def test_unimodal_losses_are_exactly_zero_in_the_first_epoch_and_not_in_the_third():
    method, train = built(), toy_data().train
    seen: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for epoch, losses in seen.items():
        for rows in torch.arange(64).split(16):
            terms = visit(method, train.take(rows), epoch)
            losses += [value for name, value in terms.items() if name.startswith("unimodal/")]
    assert set(seen[1]) == {0.0}
    assert set(seen[2]) == {0.0}, "labels of a row change after its visit in epoch 2"
    assert min(seen[3]) > 0


def test_the_unimodal_loss_is_weighted_by_the_distance_of_the_labels():
    method, train = built(unimodal_weight=0.5), toy_data().train
    memory = method.memory
    assert memory is not None
    memory.label("audio").copy_(train.target + torch.linspace(-1, 1, 64))
    _, prediction = method.heads["audio"](
        method.encoders["audio"](train.inputs["audio"], train.lengths["audio"])
    )
    total = 0.0
    for row in range(64):
        label, human = memory.label("audio")[row].item(), train.target[row].item()
        total += np.tanh(abs(label - human)) * abs(prediction[row].item() - label)
    terms = values(method.losses(train, Progress(3, 9)))
    assert terms["unimodal/audio"] == pytest.approx(0.5 * total / 64, rel=1e-5)


def test_the_task_loss_is_the_mean_absolute_error_of_the_fusion_head():
    method, train = built(), toy_data().train
    expected = (method(train) - train.target).abs().mean()
    assert values(method.losses(train, Progress(1, 9)))["task"] == pytest.approx(expected.item())


def test_features_are_concatenated_in_the_order_of_the_task():
    method, train = built(), toy_data().train
    views = [method.encoders[m](train.inputs[m], train.lengths[m]) for m in SPACES[1:]]
    _, prediction = method.heads["fusion"](torch.cat(views, dim=1))
    assert prediction.equal(method(train))
    assert [view.shape[1] for view in views] == [12, 16, 32]


@every_variant
def test_a_variant_resumes_bit_for_bit(config: dict[str, Any]):
    through = PlainLoop("selfmi", config, toy_data())
    through.run(2)
    state = through.state()
    curves = through.run(2)
    resumed = PlainLoop("selfmi", config, toy_data())
    resumed.restore(state)
    assert resumed.run(2) == curves
    for name, value in through.method.state_dict().items():
        assert resumed.method.state_dict()[name].equal(value), name


@every_variant
def test_a_variant_moves_every_weight_that_it_has(config: dict[str, Any]):
    loop = PlainLoop("selfmi", config, toy_data())
    before = {name: weight.clone() for name, weight in loop.method.named_parameters()}
    loop.run(3)
    still = [name for name, weight in loop.method.named_parameters() if weight.equal(before[name])]
    assert still == []


@every_variant
def test_two_workers_agree_with_one_in_a_variant(config: dict[str, Any]):
    # Other rows each time: what is remembered twice makes a covariance that rounding decides.
    batches = toy_data().train
    alone, *gang = (built(**config) for _ in range(3))
    for visited, epoch in enumerate((1, 1, 1, 2, 3)):
        train = batches.take(torch.arange(11) + 11 * visited)
        expected = visit(alone, train, epoch)
        found = train_on_two_workers(gang, train, epoch=epoch)
        for name, value in expected.items():
            first, second, mean = found[name]
            assert mean.item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
            assert first.equal(second) or name not in SelfMI.coupled_terms, name
    for one in gang:
        torch.testing.assert_close(one.state_dict(), alone.state_dict(), rtol=1e-4, atol=1e-5)


def test_an_entropy_in_the_middle_of_an_epoch_is_resumed():
    method, train = built(pair_mi="mmilb"), toy_data().train
    for rows in torch.arange(48).split(16):
        visit(method, train.take(rows), 1)
    resumed = built(pair_mi="mmilb")
    resumed.load_state_dict(method.state_dict())
    last = train.take(torch.arange(48, 64))
    terms = visit(method, last, 1)
    assert terms["entropy/text_vision"] != 0
    assert visit(resumed, last, 1) == terms


def test_vectors_are_taken_as_sequences_of_one_step():
    data = toy_data(steps=1)
    curves = PlainLoop("selfmi", {}, data).run(2)
    assert np.isfinite(curves[-1]["task"])


def test_half_precision_weights_keep_losses_and_memories_in_float32():
    method, train = built(pair_mi="mmilb", ulg="cpc_score"), toy_data().train
    for parameter in method.parameters():
        parameter.data = parameter.data.bfloat16()
    half = train.take(torch.arange(16)).to(torch.device("cpu"), torch.bfloat16)
    for phase in ("mi", "main"):
        terms = method.losses(half, Progress(2, 9, phase))
        assert {term.dtype for term in terms.values()} == {torch.float32}
        sum(terms.values()).backward()
        method.after_backward(half, Progress(2, 9, phase))
    assert method(half).dtype == torch.float32


@pytest.mark.parametrize("modalities", [("text",), ("text", "mrna"), ()], ids=str)
def test_a_dataset_that_selfmi_cannot_take_is_refused(modalities: tuple[str, ...]):
    task = toy_data().task
    other = type(task)(**{**vars(task), "modalities": dict.fromkeys(modalities, 3)})
    with pytest.raises(StudyError, match="selfmi takes two or three of text, audio, vision; toy"):
        methods.build("selfmi", {}, other)


def autocasts_lstms() -> bool:
    """Not every processor has a kernel for them."""
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    except RuntimeError:
        return False
    return True


@pytest.mark.skipif(not autocasts_lstms(), reason="this processor runs no LSTM in bfloat16")
def test_autocasting_keeps_losses_in_float32():
    method, train = built(pair_mi="mmilb"), toy_data().train
    for rows in torch.arange(48).split(16):
        visit(method, train.take(rows), 1)
    last, progress = train.take(torch.arange(48, 64)), Progress(1, 9)
    exact = values(method.losses(last, progress))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = method.losses(last, progress)
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert values(terms) == pytest.approx(exact, rel=0.03, abs=0.01)
