"""CPC, MMILB and label generation against numpy, written from their formulas alone."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmsearch.losses.cpc import CPC, info_nce, predictor
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.label_generation import (
    FeatureBank,
    LabelMemory,
    cosine_distance,
    euclidean,
    generated,
    polarity,
    with_momentum,
)
from mmsearch.losses.mmilb import MMILB, Likelihood, SignedEntropy, log_determinant
from mmsearch.methods.base import alone

RNG = np.random.default_rng


def doubles(*shape: int, seed: int = 0, grad: bool = False) -> Tensor:
    return torch.tensor(RNG(seed).normal(size=shape), requires_grad=grad)


def numpy_cpc(actual: np.ndarray, predicted: np.ndarray, temperature: float) -> float:
    x = actual / np.linalg.norm(actual, axis=1, keepdims=True)
    xhat = predicted / np.linalg.norm(predicted, axis=1, keepdims=True)
    terms = []
    for i in range(len(x)):
        scores = [x[i] @ xhat[j] / temperature for j in range(len(x))]
        terms.append(scores[i] - np.log(np.sum(np.exp(scores))))
    return -float(np.mean(terms))


@pytest.mark.parametrize("temperature", [1.0, 0.1])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_cpc_is_the_formula(size: int, temperature: float):
    actual, predicted = doubles(size, 5), doubles(size, 5, seed=1)
    expected = numpy_cpc(actual.numpy(), predicted.numpy(), temperature)
    value = info_nce(actual, predicted, temperature=temperature)
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_cpc_takes_negatives_from_the_predictions_of_others():
    actual, predicted = doubles(4, 5), doubles(4, 5, seed=1)
    assert info_nce(actual, predicted).item() != pytest.approx(info_nce(predicted, actual).item())


def test_gradients_of_cpc_agree_with_finite_differences():
    inputs = doubles(4, 3, grad=True), doubles(4, 3, seed=1, grad=True)
    assert torch.autograd.gradcheck(lambda x, y: info_nce(x, y, temperature=0.5), inputs)


@pytest.mark.parametrize(("layers", "kinds"), [(1, ["Linear"]), (2, ["Linear", "Tanh", "Linear"])])
def test_a_predictor_has_the_layers_asked_for(layers: int, kinds: list[str]):
    module = predictor(6, 4, layers=layers)
    assert [type(layer).__name__ for layer in module] == kinds
    assert module(torch.zeros(2, 6)).shape == (2, 4)


def test_every_link_is_predicted_from_its_own_source():
    torch.manual_seed(0)
    module = CPC({"ab": ("a", "b"), "cb": ("c", "b")}, {"a": 3, "b": 4, "c": 5})
    values = {name: torch.randn(6, width) for name, width in {"a": 3, "b": 4, "c": 5}.items()}
    terms = module(values, alone)
    for link in ("ab", "cb"):
        predicted = module.predict(link, values[link[0]]).detach().numpy()
        expected = numpy_cpc(values["b"].numpy(), predicted, 1.0)
        assert terms[link].item() == pytest.approx(expected, abs=1e-5)


def test_tensors_are_gathered_together_in_one_exchange():
    calls = []

    def twice(value: Tensor) -> Tensor:
        calls.append(value.shape)
        return torch.cat([value, value])

    left, right = torch.randn(3, 2), torch.randn(3, 4)
    whole = gather_together({"left": left, "right": right}, twice)
    assert calls == [(3, 6)]
    assert whole["left"].equal(torch.cat([left, left]))
    assert whole["right"].equal(torch.cat([right, right]))


def numpy_two_layers(network: nn.Sequential, x: np.ndarray) -> np.ndarray:
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    hidden = np.maximum(x @ state["0.weight"].T + state["0.bias"], 0)
    return hidden @ state["2.weight"].T + state["2.bias"]


@pytest.mark.parametrize("include_logvar", [True, False])
def test_the_likelihood_is_the_formula(include_logvar: bool):
    torch.manual_seed(0)
    module = Likelihood(5, 4, include_logvar=include_logvar).double()
    x, y = doubles(6, 5), doubles(6, 4, seed=1)
    mean = numpy_two_layers(module.mean, x.numpy())
    logvar = numpy_two_layers(module.logvar, x.numpy())
    expected = 0.0
    for i in range(6):
        for d in range(4):
            expected -= (mean[i, d] - y[i, d].item()) ** 2 / (2 * np.exp(logvar[i, d]))
            expected -= 0.5 * logvar[i, d] if include_logvar else 0.0
    assert module(x, y).item() == pytest.approx(expected / 6, abs=1e-12)


def test_gradients_of_the_likelihood_agree_with_finite_differences():
    torch.manual_seed(0)
    module = Likelihood(3, 2, include_logvar=True).double()
    inputs = doubles(4, 3, grad=True), doubles(4, 2, seed=1, grad=True)
    weights = tuple(module.parameters())
    assert torch.autograd.gradcheck(lambda x, y, *_: module(x, y), (*inputs, *weights))


def numpy_entropy(projected: np.ndarray, target: np.ndarray) -> float:
    total = 0.0
    for members in (projected[target > 0], projected[target < 0]):
        centred = members - members.mean(axis=0)
        total += np.log(np.linalg.det(centred.T @ centred / len(members)))
    return 0.25 * total


def test_entropy_is_the_formula_over_this_batch_and_the_one_before():
    torch.manual_seed(0)
    module = SignedEntropy(8, memory_size=16).double()
    batches = [
        (doubles(16, 8, seed=s), doubles(16, seed=9 + s).round(decimals=0)) for s in (0, 1, 2)
    ]
    values = []
    for y, target in batches:
        projected = module.project(y)
        values.append(module(projected, target, epoch=1).item())
        module.remember(projected, target, epoch=1)
    weight, bias = module.weight.numpy(), module.bias.numpy()
    last_two = np.concatenate([np.tanh(y.numpy() @ weight.T + bias) for y, _ in batches[1:]])
    targets = np.concatenate([target.numpy() for _, target in batches[1:]])
    assert values[:2] == [0.0, 0.0]
    assert values[2] == pytest.approx(numpy_entropy(last_two, targets), abs=1e-10)


def test_entropy_forgets_the_epoch_before():
    module = SignedEntropy(4, memory_size=8)
    y, target = torch.randn(8, 4), torch.tensor([1.0, -1.0] * 4)
    for _ in range(3):
        module.remember(module.project(y), target, epoch=1)
    assert module(module.project(y), target, epoch=1) != 0
    assert module(module.project(y), target, epoch=2) == 0


def test_a_smaller_batch_replaces_all_of_the_one_before():
    module = SignedEntropy(4, memory_size=8)
    module.remember(module.project(torch.randn(8, 4)), torch.ones(8), epoch=1)
    module.remember(module.project(torch.randn(3, 4)), torch.ones(3), epoch=1)
    assert module.memory_target.tolist() == [1.0] * 3 + [0.0] * 5


@pytest.mark.parametrize(
    "values",
    [torch.randn(8, 3)[:2], torch.ones(8, 3), torch.zeros(8, 3)],
    ids=["too few", "all alike", "all zero"],
)
def test_a_singular_covariance_counts_nothing_and_gives_no_gradient(values: Tensor):
    values = values.clone().requires_grad_()
    value = log_determinant(values, torch.ones(len(values), dtype=torch.bool))
    value.backward()
    assert value == 0
    assert values.grad is not None
    assert not values.grad.any()


def test_gradients_of_the_log_determinant_agree_with_finite_differences():
    members = torch.tensor([True] * 6 + [False] * 2)
    values = (doubles(8, 2, grad=True),)
    assert torch.autograd.gradcheck(lambda x: log_determinant(x, members), values)


def test_the_random_layer_and_the_memory_of_an_entropy_are_in_its_state():
    state = SignedEntropy(8, memory_size=4).state_dict()
    assert set(state) == {"weight", "bias", "memory", "memory_target", "epoch", "batches"}
    assert list(SignedEntropy(8, memory_size=4).parameters()) == []


def test_every_pair_has_a_likelihood_and_an_entropy_of_its_own():
    module = MMILB({"ab": ("a", "b")}, {"a": 3, "b": 4}, include_logvar=True, memory_size=4)
    views = {"a": torch.randn(4, 3), "b": torch.randn(4, 4)}
    assert set(module.misfits(views)) == {"ab"}
    terms, seen = module.entropy_terms(views, torch.ones(4), alone, epoch=1)
    module.remember(seen, epoch=1)
    assert terms["ab"].item() == 0
    entropy = module.entropies["ab"]
    assert isinstance(entropy, SignedEntropy)
    assert entropy.memory.equal(seen.projected["ab"])


def numpy_label(y: float, alpha_s: float, alpha_f: float, bound: float) -> float:
    ratio = y * alpha_s / (alpha_f + 1e-8)
    shift = y + alpha_s - alpha_f
    return min(max(0.5 * ratio + 0.5 * shift, -bound), bound)


@pytest.mark.parametrize("bound", [1.0, 3.0])
def test_a_generated_label_is_the_mean_of_ratio_and_shift_within_the_bound(bound: float):
    human, unimodal, fused = doubles(40), doubles(40, seed=1), doubles(40, seed=2)
    expected = [
        numpy_label(*map(float, row), bound) for row in zip(human, unimodal, fused, strict=True)
    ]
    new = generated(human, unimodal, fused, bound=bound)
    np.testing.assert_allclose(new, expected)
    assert new.abs().max() == bound


def test_a_fusion_without_polarity_cannot_push_a_label_beyond_the_bound():
    new = generated(torch.tensor([2.0]), torch.tensor([0.5]), torch.tensor([0.0]), bound=3.0)
    assert new.tolist() == [3.0]


def test_polarity_is_positive_near_the_positive_centre():
    centres = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    features = torch.tensor([[0.5, 0.0], [-0.5, 0.0], [0.0, 2.0]])
    alpha = polarity(euclidean(features, centres))
    np.testing.assert_allclose(alpha, [(1.5 - 0.5) / 0.5, (0.5 - 1.5) / 1.5, 0.0], atol=1e-6)


def test_cosine_distance_ignores_lengths():
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    distances = cosine_distance(torch.tensor([[5.0, 0.0], [-2.0, 0.0]]), centres)
    np.testing.assert_allclose(distances, [[0.0, 2.0], [1.0, 1.0]], atol=1e-7)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 4.0), (2, 3.0), (3, 2.5), (9, 1.6)])
def test_momentum_trusts_the_old_label_more_with_every_epoch(epoch: int, expected: float):
    mixed = with_momentum(torch.tensor([1.0]), torch.tensor([4.0]), epoch=epoch)
    assert mixed.item() == pytest.approx(expected)


@pytest.mark.parametrize("exclude_zero", [True, False])
def test_centres_are_means_over_the_whole_bank_by_the_sign_of_the_label(exclude_zero: bool):
    bank = FeatureBank(5, 2)
    bank.write(torch.tensor([0, 1, 2, 3]), torch.tensor([[1.0, 1], [2, 2], [4, 4], [8, 8]]))
    bank.recompute(torch.tensor([1.0, 2.0, 0.0, -1.0, -1.0]), exclude_zero=exclude_zero)
    positive = 1.5 if exclude_zero else 7 / 3
    np.testing.assert_allclose(bank.centres, [[positive] * 2, [4.0] * 2], rtol=1e-6)


def test_a_class_without_members_keeps_its_centre():
    bank = FeatureBank(2, 1)
    bank.write(torch.tensor([0, 1]), torch.tensor([[3.0], [5.0]]))
    bank.recompute(torch.tensor([1.0, -1.0]), exclude_zero=True)
    bank.recompute(torch.tensor([1.0, 1.0]), exclude_zero=True)
    assert bank.centres.tolist() == [[4.0], [5.0]]


def test_centres_of_a_space_follow_the_labels_of_that_space():
    human = torch.tensor([1.0, -1.0])
    memory = LabelMemory(human, ["text"], {"fusion": 1, "text": 1}, exclude_zero=True)
    memory.label("text")[:] = torch.tensor([-1.0, 1.0])
    features = torch.tensor([[3.0], [5.0]])
    memory.write(torch.tensor([0, 1]), {"fusion": features, "text": features})
    assert memory.centres("fusion").tolist() == [[3.0], [5.0]]
    assert memory.centres("text").tolist() == [[5.0], [3.0]]


def test_relabelling_leaves_the_human_label_alone():
    human = torch.tensor([1.0, -1.0, 2.0])
    memory = LabelMemory(human, ["text"], {"fusion": 1}, exclude_zero=True)
    alphas = {"fusion": torch.tensor([0.5]), "text": torch.tensor([1.0])}
    memory.relabel(torch.tensor([2]), alphas, bound=3.0, epoch=2)
    assert memory.label("fusion").equal(human)
    new = numpy_label(2.0, 1.0, 0.5, 3.0)
    assert memory.label("text").tolist() == pytest.approx([1.0, -1.0, 2.0 / 3 + 2 * new / 3])
