"""Mixup, M3Co and MultiSClip against numpy, written from their formulas alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import _two_way_gather as two_way_gather

from mmsearch.losses.mixup import Mixup, draw, positions
from mmsearch.losses.mixup_contrast import links, m3co, mixed_targets, multi_soft_clip, soft_entropy
from mmsearch.methods.base import alone

PARTNERS = {1: [0], 2: [1, 0], 5: [2, 1, 0, 4, 3]}
"""Permutations; in that of 5 the second example is its own partner, and so is a single one."""


def doubles(*shape: int, seed: int = 0, grad: bool = False) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=grad)


def a_mixup(size: int) -> Mixup:
    kept = np.random.default_rng(9).uniform(size=size)
    kept[-1:] = 1.0
    return Mixup(torch.tensor(kept), torch.tensor(PARTNERS[size]))


def log_softmax(row: list[float]) -> list[float]:
    total = sum(np.exp(value) for value in row)
    return [value - np.log(total) for value in row]


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def entropy(weights: list[list[float]], scores: list[list[float]]) -> float:
    """Mean over rows of the cross-entropy of weights and the softmax of scores."""
    rows = [
        -sum(w * q for w, q in zip(weight, log_softmax(score), strict=True))
        for weight, score in zip(weights, scores, strict=True)
    ]
    return float(np.mean(rows))


def transposed(table: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*table, strict=True)]


def numpy_m3co(
    z: np.ndarray,
    other: np.ndarray,
    kept: np.ndarray,
    partners: list[int],
    *,
    accumulate: bool,
    tau: float,
) -> float:
    size = len(z)
    mixed = [kept[i] * z[i] + (1 - kept[i]) * z[partners[i]] for i in range(size)]
    targets = [[0.0] * size for _ in range(size)]
    for i in range(size):
        targets[i][i] = kept[i]
        before = targets[i][partners[i]] if accumulate else 0.0
        targets[i][partners[i]] = before + 1 - kept[i]
    scores = [[cosine(mixed[i], other[j]) / tau for j in range(size)] for i in range(size)]
    return (entropy(targets, scores) + entropy(transposed(targets), transposed(scores))) / 2


def numpy_soft_clip(left: np.ndarray, right: np.ndarray, temperature: float) -> float:
    aims = [
        [np.exp(value) for value in log_softmax([cosine(a, b) / temperature for b in right])]
        for a in right
    ]
    scores = [[cosine(a, b) / temperature for b in right] for a in left]
    return (entropy(aims, scores) + entropy(aims, transposed(scores))) / 2


@pytest.mark.parametrize("accumulate", [True, False], ids=["accumulated", "written over"])
@pytest.mark.parametrize("size", PARTNERS)
@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_m3co_is_the_formula(size: int, accumulate: bool, tau: float):
    z, other, mixup = doubles(size, 3), doubles(size, 3, seed=1), a_mixup(size)
    expected = numpy_m3co(
        z.numpy(), other.numpy(), mixup.kept.numpy(), PARTNERS[size], accumulate=accumulate, tau=tau
    )
    targets = mixed_targets(mixup, accumulate_fixed_points=accumulate)
    assert m3co(mixup.of(z), other, targets, temperature=tau).item() == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("temperature", [0.125, 1.0])
def test_multi_soft_clip_is_the_formula(size: int, temperature: float):
    left, right = doubles(size, 3), doubles(size, 3, seed=1)
    expected = numpy_soft_clip(left.numpy(), right.numpy(), temperature)
    value = multi_soft_clip(left, right, temperature=temperature)
    assert value.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("accumulate", "row"), [(True, [0.0, 1.0, 0.0]), (False, [0.0, 0.75, 0.0])]
)
def test_targets_of_an_example_that_is_its_own_partner(accumulate: bool, row: list[float]):
    mixup = Mixup(torch.tensor([0.5, 0.25, 1.0]), torch.tensor([2, 1, 0]))
    targets = mixed_targets(mixup, accumulate_fixed_points=accumulate)
    assert targets.tolist() == [[0.5, 0.0, 0.5], row, [0.0, 0.0, 1.0]]


def test_an_unmixed_fixed_point_that_is_written_over_has_no_target():
    mixup = Mixup(torch.ones(1), torch.zeros(1, dtype=torch.int64))
    assert mixed_targets(mixup, accumulate_fixed_points=False).tolist() == [[0.0]]


def test_gradients_of_m3co_agree_with_finite_differences():
    inputs = doubles(5, 3, grad=True), doubles(5, 3, seed=1, grad=True)
    mixup = a_mixup(5)

    def loss(z: Tensor, other: Tensor) -> Tensor:
        return m3co(mixup.of(z), other, mixed_targets(mixup), temperature=0.5)

    assert torch.autograd.gradcheck(loss, inputs)


def test_gradients_of_multi_soft_clip_agree_with_finite_differences():
    inputs = doubles(4, 3, grad=True), doubles(4, 3, seed=1, grad=True)
    assert torch.autograd.gradcheck(lambda x, y: multi_soft_clip(x, y, temperature=0.5), inputs)


def test_the_aim_of_multi_soft_clip_takes_gradients():
    left, right = doubles(4, 3), doubles(4, 3, seed=1, grad=True)
    multi_soft_clip(left, right).backward()
    whole = right.grad
    right.grad = None
    scores = torch.nn.functional.normalize(left) @ torch.nn.functional.normalize(right).T / 0.125
    unit = torch.nn.functional.normalize(right.detach())
    aim = torch.softmax(unit @ unit.T / 0.125, dim=1)
    ((soft_entropy(aim, scores) + soft_entropy(aim, scores.T)) / 2).backward()
    assert whole is not None
    assert right.grad is not None
    assert not torch.allclose(whole, right.grad)


def test_a_direction_differs_from_the_other():
    x, y, mixup = doubles(5, 3), doubles(5, 3, seed=1), a_mixup(5)
    targets = mixed_targets(mixup)
    assert m3co(mixup.of(x), y, targets).item() != pytest.approx(
        m3co(mixup.of(y), x, targets).item()
    )
    assert multi_soft_clip(x, y).item() != pytest.approx(multi_soft_clip(y, x).item())


@pytest.mark.parametrize(
    ("names", "pairs", "expected"),
    [
        ("ab", "cyclic", ["ab", "ba"]),
        ("ab", "all", ["ab", "ba"]),
        ("abc", "cyclic", ["ab", "bc", "ca"]),
        ("abc", "all", ["ab", "ac", "ba", "bc", "ca", "cb"]),
        ("abcd", "cyclic", ["ab", "bc", "cd", "da"]),
    ],
)
def test_links_are_a_ring_or_all_ordered_pairs(names: str, pairs: str, expected: list[str]):
    assert ["".join(link) for link in links(names, pairs=pairs)] == expected


def test_every_mixup_has_lambdas_and_a_permutation_of_its_own():
    torch.manual_seed(0)
    first, second = draw(torch.zeros(50), alone, count=2, beta=0.15, share=0.5)
    for mixup in (first, second):
        assert sorted(mixup.partners.tolist()) == list(range(50))
        assert mixup.kept.shape == (50,)
    assert not first.partners.equal(second.partners)
    assert not first.kept.equal(second.kept)


@pytest.mark.parametrize("beta", [0.05, 0.15, 1.0, 5.0])
def test_lambdas_have_mean_and_variance_of_the_beta_distribution(beta: float):
    torch.manual_seed(0)
    (mixup,) = draw(torch.zeros(20000), alone, count=1, beta=beta, share=1.0)
    assert mixup.kept.mean().item() == pytest.approx(0.5, abs=0.02)
    assert mixup.kept.var().item() == pytest.approx(1 / (4 * (2 * beta + 1)), rel=0.05)
    assert mixup.kept.min() >= 0
    assert mixup.kept.max() <= 1


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_examples_is_mixed(share: float):
    torch.manual_seed(0)
    (mixup,) = draw(torch.zeros(4000), alone, count=1, beta=5.0, share=share)
    assert (mixup.kept < 1).double().mean().item() == pytest.approx(share, abs=0.03)


def test_every_permutation_is_as_likely():
    torch.manual_seed(0)
    mixups = draw(torch.zeros(3), alone, count=6000, beta=1.0, share=1.0)
    seen = [tuple(mixup.partners.tolist()) for mixup in mixups]
    counts = [seen.count(order) for order in set(seen)]
    assert len(counts) == 6
    assert min(counts) > 850


def test_the_same_seed_draws_the_same():
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(draw(torch.zeros(9), alone, count=2, beta=0.15, share=0.5))
    for left, right in zip(*found, strict=True):
        assert left.kept.equal(right.kept)
        assert left.partners.equal(right.partners)


def test_two_workers_hold_the_same_draws_of_the_whole_batch():
    gather, parts = two_way_gather(), (torch.zeros(6), torch.zeros(5))

    def work(rank: int) -> list[Mixup]:
        return draw(parts[rank], gather(rank), count=3, beta=0.15, share=0.5)

    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(work, (0, 1))
    for left, right in zip(ours, theirs, strict=True):
        assert left.kept.equal(right.kept)
        assert left.partners.equal(right.partners)
        assert sorted(left.partners.tolist()) == list(range(11))


def test_rows_are_found_where_they_stand_in_the_batch():
    whole = torch.tensor([7, 3, 9, 0])
    assert positions(torch.tensor([9, 0]), whole).tolist() == [2, 3]
