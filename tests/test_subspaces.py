"""MISA's losses and modules against numpy, and what its weights change."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from toys import SIX_VIEWS, toy_data

from mmsearch import methods
from mmsearch.datasets.task import SearchData
from mmsearch.encoders import FinalStates
from mmsearch.losses.subspaces import moment_discrepancy, overlap
from mmsearch.methods.base import Progress
from mmsearch.methods.misa import MISA

RNG = np.random.default_rng(0)


def doubles(*shape: int) -> Tensor:
    return torch.tensor(RNG.normal(size=shape))


def built(data: SearchData, **config: Any) -> MISA:
    torch.manual_seed(0)
    method = methods.build("misa", config, data.task)
    assert isinstance(method, MISA)
    return method.eval()


def numpy_discrepancy(left: np.ndarray, right: np.ndarray) -> float:
    total = np.sqrt(((left.mean(0) - right.mean(0)) ** 2).sum())
    for order in (2, 3, 4, 5):
        moments = [((x - x.mean(0)) ** order).mean(0) for x in (left, right)]
        total += np.sqrt(((moments[0] - moments[1]) ** 2).sum())
    return float(total)


def numpy_overlap(left: np.ndarray, right: np.ndarray) -> float:
    unit = []
    for values in (left, right):
        centred = values - values.mean(0)
        unit.append(centred / (np.sqrt((centred**2).sum(1, keepdims=True)) + 1e-6))
    products = [
        sum(unit[0][n, i] * unit[1][n, j] for n in range(len(left))) ** 2
        for i in range(left.shape[1])
        for j in range(right.shape[1])
    ]
    return float(np.mean(products))


@pytest.mark.parametrize("size", [1, 2, 9])
def test_the_discrepancy_is_that_of_five_central_moments(size: int) -> None:
    left, right = doubles(size, 4), doubles(size, 4)
    expected = numpy_discrepancy(left.numpy(), right.numpy())
    assert moment_discrepancy(left, right).item() == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 2, 9])
def test_the_overlap_is_the_mean_square_of_products_of_columns(size: int) -> None:
    left, right = doubles(size, 4), doubles(size, 4)
    expected = numpy_overlap(left.numpy(), right.numpy())
    assert overlap(left, right).item() == pytest.approx(expected, abs=1e-12)


def test_equal_moments_have_a_finite_gradient() -> None:
    left = doubles(5, 4).requires_grad_()
    moment_discrepancy(left, left.detach().clone()).backward()
    assert left.grad is not None
    assert left.grad.isfinite().all()


def test_the_lengths_of_rows_have_no_gradient() -> None:
    row = torch.tensor([[2.0, 0.0], [-2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    overlap(row, row.detach()).backward()
    assert row.grad is not None
    # The rows are unit vectors over 2, so the one product that is not 0 is 2: (2 ** 2) / 4 = 1,
    # and a step d of the first row moves it by d / 2 of one of two parts, centring leaving a half.
    np.testing.assert_allclose(row.grad, [[0.5, 0.0], [-0.5, 0.0]], atol=1e-5)


def test_final_states_are_those_of_packed_bidirectional_lstms() -> None:
    torch.manual_seed(0)
    encoder = FinalStates(FinalStates.Config(hidden=4), 3)
    sequence, lengths = torch.randn(5, 7, 3), torch.tensor([1, 7, 3, 6, 2])
    x, finals = sequence, []
    for level, norm in ((encoder.first, encoder.norm), (encoder.second, None)):
        both = torch.nn.LSTM(x.shape[2], 4, batch_first=True, bidirectional=True)
        state = dict(level.ahead.state_dict())
        state |= {f"{key}_reverse": value for key, value in level.back.state_dict().items()}
        both.load_state_dict(state)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, (final, _) = both(packed)
        finals.append(torch.cat(list(final), dim=1))
        x, _ = pad_packed_sequence(states, batch_first=True)
        x = norm(x) if norm is not None else x
    torch.testing.assert_close(encoder(sequence, lengths), torch.cat(finals, dim=1))


@pytest.mark.parametrize(
    ("modalities", "classes"),
    [(("text", "audio", "vision"), 0), (("audio", "text"), 0), (SIX_VIEWS[:4], 3)],
    ids=["three", "two", "four views, classes"],
)
def test_terms_are_those_of_the_paper_worked_by_hand(
    modalities: tuple[str, ...], classes: int
) -> None:
    data = toy_data(modalities, num_train=9, classes=classes)
    method = built(data, similarity_weight=0.5, difference_weight=0.25, reconstruction_weight=2.0)
    parts = method._parts(data.train)
    whole, private, shared = (
        value.detach().double().numpy() for value in (parts.whole, parts.private, parts.shared)
    )
    count = len(modalities)
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    alike = np.mean([numpy_discrepancy(shared[a], shared[b]) for a, b in pairs])
    apart = sum(numpy_overlap(private[m], shared[m]) for m in range(count))
    apart += sum(numpy_overlap(private[a], private[b]) for a, b in pairs)
    errors = []
    for m, layer in enumerate(method.rebuild):
        weight, bias = (p.detach().double().numpy() for p in layer.parameters())
        errors.append((((private[m] + shared[m]) @ weight.T + bias - whole[m]) ** 2).mean())
    prediction, target = method(data.train).detach().double(), data.train.target
    if classes:
        task = -prediction.log_softmax(1)[torch.arange(9), target].mean()
    else:
        task = (prediction - target).square().mean()
    expected = {
        "task": float(task),
        "similarity": 0.5 * alike,
        "difference": 0.25 * apart,
        "reconstruction": 2.0 * np.mean(errors),
    }
    terms = {k: v.item() for k, v in method.losses(data.train, Progress(1, 9)).items()}
    assert terms == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "term", ["similarity", "difference", "reconstruction"], ids=lambda term: f"no {term}"
)
def test_a_weight_of_0_leaves_its_term_out(term: str) -> None:
    data = toy_data(num_train=9)
    method = built(data, **{f"{term}_weight": 0.0})
    assert set(method.losses(data.train, Progress(1, 9))) == {
        "task",
        "similarity",
        "difference",
        "reconstruction",
    } - {term}
