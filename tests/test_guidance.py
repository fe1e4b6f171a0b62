"""Hard-concrete gates and distillation against numpy, written from their formulas alone."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor

from mmsearch.losses.distillation import adjusted, from_the_best, from_the_better
from mmsearch.losses.hard_concrete import HardConcrete, uniform_noise

GATE = HardConcrete(bias=3.0, temperature=1 / 3, gamma=-0.2, threshold=0.6)
RNG = np.random.default_rng


def doubles(*shape: int, seed: int = 0, grad: bool = False) -> Tensor:
    return torch.tensor(RNG(seed).normal(size=shape), requires_grad=grad)


def numpy_gate(score: float, u: float, gate: HardConcrete) -> float:
    inside = (np.log(u) - np.log(1 - u) + score + gate.bias) / gate.temperature
    s = 1 / (1 + np.exp(-inside))
    return float(np.clip(s * (1.0 - gate.gamma) + gate.gamma, 0, 1))


@pytest.mark.parametrize(
    "gate", [GATE, HardConcrete(bias=0.0, temperature=0.9, gamma=-0.5, threshold=0.5)], ids=str
)
def test_gates_are_the_formula(gate: HardConcrete):
    scores, noise = 4 * doubles(40) - 3, torch.tensor(RNG(1).uniform(0.01, 0.99, 40))
    soft = [numpy_gate(g, u, gate) for g, u in zip(scores.tolist(), noise.tolist(), strict=True)]
    np.testing.assert_allclose(gate.soft_gates(scores, noise), soft, atol=1e-12)
    hard = [float(s > gate.threshold) for s in soft]
    assert gate.gates(scores, noise).tolist() == hard
    assert set(hard) == {0.0, 1.0}


def test_a_gate_without_noise_is_the_one_of_half():
    scores = 4 * doubles(40) - 3
    half = torch.full_like(scores, 0.5)
    torch.testing.assert_close(GATE.soft_gates(scores, None), GATE.soft_gates(scores, half))


def test_a_binary_gate_has_the_gradient_of_the_clipped_one():
    scores, noise = (4 * doubles(40) - 3).requires_grad_(), torch.tensor(RNG(1).uniform(size=40))
    (hard,) = torch.autograd.grad(GATE.gates(scores, noise).sum(), scores)
    (soft,) = torch.autograd.grad(GATE.soft_gates(scores, noise).sum(), scores)
    assert hard.equal(soft)
    clipped = GATE.soft_gates(scores, noise) == 0
    assert clipped.any()
    assert not hard[clipped].any()


def test_the_penalty_is_the_probability_of_an_open_gate():
    scores = 2 * doubles(30) - 3
    shifted = scores.numpy() + 3 - (1 / 3) * np.log(0.2 / 1.0)
    np.testing.assert_allclose(GATE.open_probability(scores), 1 / (1 + np.exp(-shifted)))
    score = torch.full((20000,), -3.5)
    torch.manual_seed(0)
    drawn = GATE.soft_gates(score, uniform_noise(score))
    opened = (drawn > 0).double().mean().item()
    assert opened == pytest.approx(GATE.open_probability(score[0]).item(), abs=0.02)


def test_gradients_of_gates_agree_with_finite_differences():
    noise = torch.tensor(RNG(1).uniform(0.3, 0.7, 6))
    inside = (0.1 * doubles(6) - 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: GATE.soft_gates(x, noise), (inside,))
    assert torch.autograd.gradcheck(GATE.open_probability, (inside,))


def test_noise_comes_from_the_seeded_stream_and_keeps_off_the_edges():
    torch.manual_seed(3)
    first = uniform_noise(torch.empty(1000))
    torch.manual_seed(3)
    assert first.equal(uniform_noise(torch.empty(1000)))
    assert first.min() >= 1e-6
    assert first.max() <= 1 - 1e-6


def numpy_alphas(text: float, audio: float, vision: float) -> list[float]:
    """MIM's Adjuster, as its comments write it for three modalities."""
    total = text + audio + vision
    lt, la, lv = text / total, audio / total, vision / total
    d = (1 + la) * (1 + lt) + (1 + lv) * (1 + lt) + (1 + la) * (1 + lv)
    return [
        3 * (1 + la) * (1 + lv) / d,
        3 * (1 + lt) * (1 + lv) / d,
        3 * (1 + lt) * (1 + la) / d,
    ]


def test_the_adjuster_is_the_formula_by_example_and_for_the_batch():
    errors = doubles(3, 8).abs()
    expected = np.array([numpy_alphas(*column) for column in errors.T.tolist()]).T
    np.testing.assert_allclose(adjusted(errors), expected, atol=1e-12)
    np.testing.assert_allclose(adjusted(errors[:, 0]), expected[:, 0], atol=1e-12)


@pytest.mark.parametrize("modalities", [2, 3, 6])
def test_weights_sum_to_the_number_of_modalities_and_favour_the_better(modalities: int):
    errors = doubles(modalities, 8).abs()
    weights = adjusted(errors)
    torch.testing.assert_close(weights.sum(dim=0), torch.full((8,), modalities).double())
    assert weights.argsort(dim=0).equal(errors.argsort(dim=0, descending=True))


def test_without_errors_all_weights_are_one():
    assert adjusted(torch.zeros(3, 2)).tolist() == [[1.0, 1.0]] * 3


def numpy_better(
    first: np.ndarray, second: np.ndarray, errors: tuple[np.ndarray, np.ndarray]
) -> float:
    total = 0.0
    for i in range(len(first)):
        total += (first[i] - second[i]) ** 2 if errors[0][i] != errors[1][i] else 0.0
    return total / len(first)


def test_the_better_teaches_by_example():
    first, second = doubles(6, grad=True), doubles(6, seed=1, grad=True)
    errors = torch.tensor([1.0, 2, 1, 3, 2, 5]), torch.tensor([2.0, 1, 1, 1, 3, 5])
    value = from_the_better((first, second), errors)
    arrays = first.detach().numpy(), second.detach().numpy()
    found = errors[0].numpy(), errors[1].numpy()
    assert value.item() == pytest.approx(numpy_better(*arrays, found), abs=1e-12)
    value.backward()
    assert first.grad is not None
    assert second.grad is not None
    assert (first.grad != 0).tolist() == [False, True, False, True, False, False]
    assert (second.grad != 0).tolist() == [True, False, False, False, True, False]
    np.testing.assert_allclose(first.grad[1], 2 * (arrays[0][1] - arrays[1][1]) / 6)


@pytest.mark.parametrize(("errors", "learns"), [((1.0, 2.0), 1), ((2.0, 1.0), 0), ((1.0, 1.0), 2)])
def test_the_better_teaches_the_whole_batch(errors: tuple[float, float], learns: int):
    pair = doubles(6, grad=True), doubles(6, seed=1, grad=True)
    value = from_the_better(pair, (torch.tensor(errors[0]), torch.tensor(errors[1])))
    value.backward()
    moved = [p.grad is not None and bool(p.grad.all()) for p in pair]
    assert moved == [learns == 0, learns == 1]
    if learns < 2:
        first, second = (p.detach().numpy() for p in pair)
        assert value.item() == pytest.approx(np.mean((first - second) ** 2))
    else:
        assert value.item() == 0


def numpy_best(features: np.ndarray, errors: np.ndarray, temperature: float, divide: bool) -> float:
    """By the formula for three modalities, one example at a time; `errors` (3, batch)."""
    total, batch = 0.0, features.shape[1]
    for i in range(batch):
        order = np.argsort(errors[:, i])
        best, students = order[0], order[1:]
        if errors[best, i] == errors[order[1], i]:
            continue
        t = temperature * numpy_alphas(*errors[:, i])[best]
        x = features[:, i] / t if divide else features[:, i]
        for s in students:
            p = softmax(x[best])
            total += 0.5 * t**2 * np.sum(p * (np.log(p) - log_softmax(x[s])))
    return total / batch


@pytest.mark.parametrize("divide", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 10.0])
def test_the_best_teaches_by_example(temperature: float, divide: bool):
    features, errors = doubles(3, 7, 5), doubles(3, 7, seed=1).abs()
    errors[:, 2] = 1.0
    value = from_the_best(features, errors, temperature=temperature, divide=divide)
    expected = numpy_best(features.numpy(), errors.numpy(), temperature, divide)
    assert value.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("divide", [False, True])
def test_the_best_teaches_the_whole_batch(divide: bool):
    features, errors = doubles(3, 7, 5), torch.tensor([0.3, 0.2, 0.9]).double()
    value = from_the_best(features, errors, temperature=4.0, divide=divide)
    every = np.repeat(errors.numpy()[:, None], 7, axis=1)
    assert value.item() == pytest.approx(numpy_best(features.numpy(), every, 4.0, divide))


def test_a_teacher_gets_no_gradient_and_its_students_do():
    features = doubles(3, 2, 5, grad=True)
    errors = torch.tensor([[0.1, 2.0], [1.0, 0.1], [2.0, 1.0]]).double()
    from_the_best(features, errors, temperature=10.0, divide=False).backward()
    assert features.grad is not None
    assert features.grad.any(dim=2).tolist() == [[False, True], [True, False], [True, True]]


@pytest.mark.parametrize("divide", [False, True])
def test_gradients_of_the_students_agree_with_finite_differences(divide: bool):
    teacher, errors = doubles(1, 4, 3), torch.tensor([0.1, 0.5, 0.7]).double()
    students = doubles(2, 4, 3, seed=1, grad=True)

    def loss(x: Tensor) -> Tensor:
        return from_the_best(torch.cat([teacher, x]), errors, temperature=2.0, divide=divide)

    assert torch.autograd.gradcheck(loss, (students,))


def test_two_modalities_have_one_student():
    features, errors = doubles(2, 4, 3), torch.tensor([0.1, 0.5]).double()
    value = from_the_best(features, errors, temperature=1.0, divide=False)
    p, s = features.numpy()
    divergence = np.sum(softmax(p, axis=1) * (log_softmax(p, axis=1) - log_softmax(s, axis=1)), 1)
    lam = 0.1 / 0.6, 0.5 / 0.6
    alpha = 2 * (1 + lam[1]) / (2 + lam[0] + lam[1])
    assert value.item() == pytest.approx(alpha**2 * divergence.mean())
