"""Fusions against numpy references, and what holds for every one of them."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from mmsearch import fusion
from mmsearch.errors import StudyError

DIMS = {"text": 5, "audio": 3, "vision": 4}
KINDS: dict[str, dict[str, Any]] = {
    "concat": {},
    "sum": {"features": 6},
    "gated": {"features": 6},
    "tensor": {"features": 2},
    "low_rank": {"features": 6, "rank": 3},
    "cross_attention": {"features": 8, "heads": 2, "layers": 2, "dropout": 0.0},
    "multiplicative": {"features": 6},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def config_of(kind: str, **settings: Any) -> fusion.FusionSettings:
    return TypeAdapter(fusion.FusionConfig).validate_python({"kind": kind, **settings})


def built(kind: str, dims: dict[str, int] = DIMS) -> fusion.Fusion:
    torch.manual_seed(0)
    return fusion.build(config_of(kind, **KINDS[kind]), dims).double()


def features(dims: dict[str, int] = DIMS, batch: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        name: torch.randn(batch, width, dtype=torch.float64, requires_grad=True)
        for name, width in dims.items()
    }


def arrays(values: dict[str, Tensor]) -> list[np.ndarray]:
    return [value.detach().numpy() for value in values.values()]


def linear(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    assert isinstance(layer, nn.Linear)
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def projected(module: fusion.Fusion, xs: list[np.ndarray]) -> list[np.ndarray]:
    layers = module.get_submodule("projections.layers").children()
    return [linear(layer, x) for layer, x in zip(layers, xs, strict=True)]


def with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


@every_kind
@pytest.mark.parametrize("count", range(2, 7))
def test_two_to_six_modalities_are_fused_to_the_announced_width(kind: str, count: int):
    dims = {f"m{index}": 2 + index for index in range(count)}
    module = built(kind, dims)
    assert module(features(dims)).shape == (4, module.out_features)


@every_kind
def test_gradients_agree_with_finite_differences(kind: str):
    module, values = built(kind), features(batch=2)
    weights = tuple(module.parameters())

    def fused(*inputs: Tensor) -> Tensor:
        return module(dict(zip(DIMS, inputs[: len(DIMS)], strict=True)))

    assert torch.autograd.gradcheck(fused, (*values.values(), *weights), fast_mode=True)


@every_kind
def test_an_example_is_fused_without_its_batch_mates(kind: str):
    module, values = built(kind).eval(), features()
    alone = module({name: value[:1] for name, value in values.items()})
    torch.testing.assert_close(module(values)[:1], alone)


@every_kind
def test_the_order_in_which_features_come_does_not_matter(kind: str):
    module, values = built(kind).eval(), features()
    assert module(dict(reversed(values.items()))).equal(module(values))


@every_kind
def test_every_setting_of_a_fusion_is_documented(kind: str):
    fields = type(config_of(kind)).model_fields
    assert [name for name, info in fields.items() if name != "kind" and not info.description] == []


def test_concat_puts_features_side_by_side_and_learns_nothing():
    module, values = built("concat"), features()
    assert module(values).equal(torch.cat(list(values.values()), dim=1))
    assert list(module.parameters()) == []


def test_sum_adds_projections():
    module, values = built("sum"), features()
    expected = sum(projected(module, arrays(values)))
    np.testing.assert_allclose(module(values).detach(), expected)


def test_multiplicative_is_a_layer_over_the_product_of_projections():
    module, values = built("multiplicative"), features()
    text, audio, vision = projected(module, arrays(values))
    expected = np.tanh(linear(module.get_submodule("output"), text * audio * vision))
    np.testing.assert_allclose(module(values).detach(), expected)


def test_gated_weighs_each_modality_by_a_gate_that_sees_all():
    module, values = built("gated"), features()
    xs = arrays(values)
    logits = linear(module.get_submodule("gates"), np.concatenate(xs, axis=1))
    gates = np.split(1 / (1 + np.exp(-logits)), 3, axis=1)
    hidden = projected(module, xs)
    expected = sum(gate * np.tanh(h) for gate, h in zip(gates, hidden, strict=True))
    np.testing.assert_allclose(module(values).detach(), expected)


def test_tensor_is_the_outer_product_with_a_one_appended():
    module, values = built("tensor"), features()
    text, audio, vision = (with_one(x) for x in projected(module, arrays(values)))
    expected = np.einsum("bi,bj,bk->bijk", text, audio, vision).reshape(4, -1)
    np.testing.assert_allclose(module(values).detach(), expected)


def test_low_rank_is_a_linear_layer_over_the_outer_product():
    module, values = built("low_rank"), features()
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    factors = [state[f"factors.{index}.weight"] for index in range(3)]
    weight = np.einsum("or,rif,rjf,rkf->ijkf", state["rank_weights"], *factors)
    text, audio, vision = (with_one(x) for x in arrays(values))
    expected = np.einsum("bi,bj,bk,ijkf->bf", text, audio, vision, weight) + state["bias"]
    np.testing.assert_allclose(module(values).detach(), expected)


def test_cross_attention_lets_every_token_see_every_modality():
    module, values = built("cross_attention").eval(), features()
    before = module(values).view(4, 3, 8)
    for changed in DIMS:
        other = {name: value + (name == changed) for name, value in values.items()}
        moved = (module(other).view(4, 3, 8) - before).abs().amax(dim=(0, 2))
        assert (moved > 1e-6).all()


def test_a_tensor_product_that_is_too_large_is_refused_with_a_way_out():
    config = config_of("tensor", features=128)
    with pytest.raises(StudyError, match=r"\(128 \+ 1\) \*\* 3 = 2146689.*features = 100 or less"):
        fusion.build(config, DIMS)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_number_of_modalities_that_cannot_be_fused_is_refused(count: int):
    dims = {f"m{index}": 2 for index in range(count)}
    with pytest.raises(StudyError, match=f"takes two to six modalities, got {count}"):
        fusion.build(config_of("concat"), dims)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="heads must divide features, got heads=3"):
        config_of("cross_attention", features=8, heads=3)


def test_a_setting_of_another_fusion_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        config_of("concat", rank=4)
