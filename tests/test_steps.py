"""Step encoders and step scores against packing, loops over steps, numpy, and padding."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmsearch.encoders import (
    StepEncoder,
    StepEncoders,
    StepScores,
    TemporalConvolution,
    TemporalTransformer,
    mean_of_steps,
)
from mmsearch.encoders.step_scores import stretched, turned
from mmsearch.encoders.transformer import positions

LENGTHS = torch.tensor([1, 7, 3, 6, 2])


def convolution() -> TemporalConvolution:
    return TemporalConvolution(TemporalConvolution.Config(features=6, reach=1), in_features=4)


def transformer(**settings: float) -> TemporalTransformer:
    config = {"features": 6, "heads": 3, "layers": 2, **settings}
    return TemporalTransformer(TemporalTransformer.Config.model_validate(config))


ENCODERS = {
    "convolution": convolution,
    "both": lambda: StepEncoders(convolution(), transformer()),
}
every_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)


def ready(module: StepEncoder) -> StepEncoder:
    return module.eval()


@every_encoder
def test_an_example_is_encoded_as_if_it_were_alone_and_not_padded(make):
    torch.manual_seed(0)
    encoder, sequence = ready(make()), torch.randn(5, 7, 4)
    together = encoder(sequence, LENGTHS)
    assert together.shape == (5, 7, encoder.out_features)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = encoder(sequence[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-5, atol=1e-6)
        assert not together[row, length:].any()


@every_encoder
def test_what_lies_beyond_a_length_gives_and_gets_nothing(make):
    encoder, sequence = ready(make()), torch.randn(5, 7, 4, requires_grad=True)
    encoder(sequence, LENGTHS).square().sum().backward()
    assert sequence.grad is not None
    for row, length in enumerate(LENGTHS.tolist()):
        assert sequence.grad[row, :length].any()
        assert not sequence.grad[row, length:].any()


def test_a_convolution_is_a_sum_over_a_step_and_its_neighbours():
    encoder, sequence = convolution(), torch.randn(1, 5, 4)
    found = encoder(sequence, torch.tensor([5]))[0].detach().numpy()
    weight = encoder.convolution.weight.detach().numpy()
    padded = np.pad(sequence[0].numpy(), ((1, 1), (0, 0)))
    expected = [sum(weight[:, :, k] @ padded[t + k] for k in range(3)) for t in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert [name for name, _ in encoder.named_parameters()] == ["convolution.weight"]


def numpy_norm(x: np.ndarray) -> np.ndarray:
    spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    return (x - x.mean(axis=1, keepdims=True)) / spread


def numpy_linear(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    state = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    return x @ state["weight"].T + state["bias"]


def numpy_attention(attention: nn.Module, x: np.ndarray, heads: int) -> np.ndarray:
    query, key, value = np.split(numpy_linear(attention.get_submodule("inputs"), x), 3, axis=1)
    width = x.shape[1] // heads
    mixed = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = np.exp(query[:, part] @ key[:, part].T / np.sqrt(width))
        mixed.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
    return numpy_linear(attention.get_submodule("output"), np.concatenate(mixed, axis=1))


def test_the_transformer_is_the_formula():
    torch.manual_seed(0)
    encoder, sequence = transformer(layers=1).eval().double(), torch.randn(1, 5, 6).double()
    found = encoder(sequence, torch.tensor([5]))[0].detach().numpy()
    angle = np.arange(1, 6)[:, None] / 10000 ** (np.arange(3) / 2)
    x = np.sqrt(6) * sequence[0].numpy() + np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    layer = encoder.layers[0]
    x = x + numpy_attention(layer.get_submodule("attention"), numpy_norm(x), heads=3)
    hidden = np.maximum(numpy_linear(layer.get_submodule("wide.0"), numpy_norm(x)), 0)
    x = x + numpy_linear(layer.get_submodule("wide.3"), hidden)
    np.testing.assert_allclose(found, numpy_norm(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_positions_exist_for_every_width(width: int):
    table = positions(4, width, device=torch.device("cpu"))
    assert table.shape == (4, width)
    assert table.isfinite().all()


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ("relu_dropout", "layers.0.wide.2"),
        ("residual_dropout", "layers.0.dropout"),
        ("embedding_dropout", "dropout"),
    ],
)
def test_a_dropout_reaches_its_place_and_no_other(setting: str, place: str):
    found = {
        name: module.p
        for name, module in transformer(**{setting: 0.25}).named_modules()
        if isinstance(module, nn.Dropout) and module.p
    }
    assert place in found
    assert set(found.values()) == {0.25}
    assert {name.split(".")[-1] for name in found} == {place.rpartition(".")[2]}
    if setting == "embedding_dropout":
        assert list(found) == [place]


def test_attention_drops_out_while_training_alone():
    encoder, sequence = transformer(attention_dropout=0.5), torch.randn(5, 7, 6)
    assert not encoder(sequence, LENGTHS).equal(encoder(sequence, LENGTHS))
    encoder.eval()
    assert encoder(sequence, LENGTHS).equal(encoder(sequence, LENGTHS))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="heads must divide features, got heads=4"):
        TemporalTransformer.Config(features=6, heads=4, layers=1)


def test_the_mean_of_steps_is_over_real_ones():
    sequence = torch.randn(5, 7, 4)
    for row, length in enumerate(LENGTHS.tolist()):
        mean = mean_of_steps(sequence, LENGTHS)[row]
        torch.testing.assert_close(mean, sequence[row, :length].mean(dim=0))


def test_turning_reverses_real_steps_and_turning_twice_gives_them_back():
    sequence = torch.randn(5, 7, 2)
    there = turned(sequence, LENGTHS)
    assert there[2, :3].equal(sequence[2, :3].flip(0))
    assert turned(there, LENGTHS)[3, :6].equal(sequence[3, :6])


@pytest.mark.parametrize(("source", "target"), [(5, 5), (3, 9), (9, 3), (1, 4), (7, 50)])
def test_stretching_is_linear_interpolation(source: int, target: int):
    values = torch.randn(1, 9)
    found = stretched(values, torch.tensor([source]), torch.tensor([target]), points=target)
    grid = np.linspace(0, source - 1, target)
    expected = np.interp(grid, np.arange(source), values[0, :source].numpy())
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    if source == target:
        assert found.equal(values[:, :source])


@pytest.mark.parametrize(("source", "middle"), [(1, 0.0), (3, 1.0), (4, 1.5)])
def test_a_single_point_lies_in_the_middle(source: int, middle: float):
    found = stretched(torch.arange(6.0)[None], torch.tensor([source]), torch.tensor([1]), points=1)
    assert found.item() == middle


def source_scores(module: StepScores, sequence: Tensor, lengths: Tensor) -> Tensor:
    """MIM's network at its own number of steps, with a packed bidirectional LSTM."""
    lstm = nn.LSTM(sequence.shape[2], sequence.shape[2] // 2, batch_first=True, bidirectional=True)
    state = dict(module.ahead.state_dict())
    state |= {f"{name}_reverse": value for name, value in module.back.state_dict().items()}
    lstm.load_state_dict(state)
    packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    return module.score(states).squeeze(2)


@pytest.mark.parametrize("relu", [True, False])
def test_at_its_own_number_of_steps_a_score_is_that_of_mims_code(relu: bool):
    torch.manual_seed(0)
    module = StepScores(6, points=10, relu=relu)
    sequence, lengths = torch.randn(3, 10, 6), torch.full((3,), 10)
    first, second = module.mixture[0], module.mixture[2]
    hidden = torch.relu(first(source_scores(module, sequence, lengths)))
    torch.testing.assert_close(module(sequence, lengths), second(hidden))
    assert (first.out_features, first.in_features) == (2, 10)


def test_scores_do_not_depend_on_padding():
    torch.manual_seed(0)
    module, sequence = StepScores(6, points=10), torch.randn(5, 7, 6)
    together = module(sequence, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = module(sequence[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-5, atol=1e-6)


def test_the_lstms_are_a_packed_bidirectional_one():
    torch.manual_seed(0)
    module, sequence = StepScores(6, points=10), torch.randn(5, 7, 6)
    expected = source_scores(module, sequence, LENGTHS)
    states = [module.ahead(sequence)[0], turned(module.back(turned(sequence, LENGTHS))[0], LENGTHS)]
    found = module.score(torch.cat(states, dim=2)).squeeze(2)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


def test_gradients_of_scores_agree_with_finite_differences():
    torch.manual_seed(0)
    module = StepScores(4, points=5).double()
    sequence = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([3, 1])
    assert torch.autograd.gradcheck(lambda x: module(x, lengths)[:, :1], (sequence,))


def test_a_relu_in_front_of_the_mixture_can_cut_off_the_lstm():
    module = StepScores(6, relu=True)
    final = module.score[2]
    nn.init.constant_(final.bias, -9.0)
    module(torch.randn(4, 3, 6), torch.full((4,), 3)).sum().backward()
    assert module.ahead.weight_ih_l0.grad is not None
    assert not module.ahead.weight_ih_l0.grad.any()
