"""MulT: attention between modalities against PyTorch's own, and who attends to whom."""

from typing import Any

import pytest
import torch
from torch import nn
from toys import toy_data

from mmsearch import methods
from mmsearch.encoders import CrossTransformer, TemporalTransformer
from mmsearch.encoders.cross_transformer import CrossLayer
from mmsearch.encoders.steps import last_steps
from mmsearch.encoders.transformer import positions
from mmsearch.errors import StudyError
from mmsearch.methods.mult import MulT

SETTINGS = TemporalTransformer.Config(features=6, layers=2, heads=3)


def built(*modalities: str, **config: Any) -> MulT:
    torch.manual_seed(0)
    data = toy_data(modalities or ("text", "audio", "vision"))
    method = methods.build("mult", config, data.task)
    assert isinstance(method, MulT)
    return method.eval()


def test_a_layer_is_pytorchs_attention_with_one_norm_for_both_sequences() -> None:
    torch.manual_seed(0)
    layer = CrossLayer(SETTINGS).eval()
    reference = nn.MultiheadAttention(6, 3, batch_first=True)
    parts = layer.attention
    rows = [parts.query, parts.key_and_value]
    reference.in_proj_weight.data = torch.cat([part.weight for part in rows])
    reference.in_proj_bias.data = torch.cat([part.bias for part in rows])
    reference.out_proj.load_state_dict(parts.output.state_dict())
    x, source = torch.randn(2, 4, 6), torch.randn(2, 5, 6)
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    norm = layer.attention_norm
    seen = norm(source)
    attended = x + reference(norm(x), seen, seen, key_padding_mask=~real)[0]
    expected = attended + layer.wide(layer.wide_norm(attended))
    torch.testing.assert_close(layer(x, source, real), expected)


def test_both_sequences_are_scaled_and_placed_and_the_source_stays() -> None:
    torch.manual_seed(0)
    module = CrossTransformer(SETTINGS).eval()
    x, source = torch.randn(2, 4, 6), torch.randn(2, 5, 6)
    lengths, others = torch.tensor([4, 4]), torch.tensor([5, 5])

    def placed(steps: torch.Tensor) -> torch.Tensor:
        return 6**0.5 * steps + positions(steps.shape[1], 6, device=steps.device)

    found, real = placed(x), torch.ones(2, 5, dtype=torch.bool)
    for layer in module.layers:
        found = layer(found, placed(source), real)
    torch.testing.assert_close(module(x, lengths, source, others), module.norm(found))


def test_steps_beyond_either_length_have_no_effect() -> None:
    module = CrossTransformer(SETTINGS).eval()
    x, source = torch.randn(1, 4, 6), torch.randn(1, 5, 6)
    lengths, others = torch.tensor([3]), torch.tensor([2])
    before = module(x, lengths, source, others)
    x[:, 3:], source[:, 2:] = 9.0, -9.0
    assert module(x, lengths, source, others).equal(before)
    assert not before[:, 3:].any()


def test_the_last_real_step_stands_for_a_sequence() -> None:
    sequence = torch.arange(12.0).reshape(2, 3, 2)
    assert last_steps(sequence, torch.tensor([1, 3])).tolist() == [[0, 1], [10, 11]]


@pytest.mark.parametrize("modalities", [("text", "audio", "vision"), ("left", "right")], ids=len)
def test_each_modality_sees_every_other_one(modalities: tuple[str, ...]) -> None:
    method = built(*modalities)
    batch = toy_data(modalities, num_train=1).train
    for name in modalities:
        inputs = {
            key: value.clone().requires_grad_(key == name) for key, value in batch.inputs.items()
        }
        memories = method._memories(type(batch)(inputs, batch.lengths, batch.target, batch.rows))
        for memory in memories:
            (gradient,) = torch.autograd.grad(memory.sum(), inputs[name], retain_graph=True)
            assert gradient.any()


def test_the_head_adds_a_residual_block() -> None:
    method, data = built(), toy_data(num_train=4)
    joined = torch.cat(method._memories(data.train), dim=1)
    first, _, _, second = method.residual
    expected = method.head(joined + second(first(joined).relu()))[:, 0]
    torch.testing.assert_close(method(data.train), expected)
    assert joined.shape == (4, 3 * 2 * 30)


def test_a_modality_attends_to_itself_in_three_layers_at_least() -> None:
    assert [len(module.layers) for module in built().within] == [3, 3, 3]
    assert [len(module.layers) for module in built(layers=4).within] == [4, 4, 4]


@pytest.mark.parametrize(
    ("config", "modalities", "words"),
    [
        ({"heads": 4}, ("text", "audio"), "heads must divide features, got heads=4, features=30"),
        ({}, ("a", "b", "c", "d"), "mult takes two or three modalities; toy has a, b, c, d"),
    ],
    ids=["heads", "four modalities"],
)
def test_what_cannot_be_built_is_refused(
    config: dict[str, Any], modalities: tuple[str, ...], words: str
) -> None:
    with pytest.raises(StudyError, match=words):
        built(*modalities, **config)
