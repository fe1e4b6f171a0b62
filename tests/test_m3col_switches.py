"""What every switch, weight and size of M3CoL changes, and that it changes nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import toys
from toy_m3col import OMICS, SOFT, built, tell, terms_of

from mmsearch.losses.mixup import Mixup
from mmsearch.methods import m3col
from mmsearch.methods.m3col import M3CoL

UNIMODAL = {f"unimodal/{name}" for name in OMICS}
SUPERVISED = {"task", *UNIMODAL}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def of_both_phases(method: M3CoL) -> dict[str, float]:
    """Terms of an epoch of M3Co and of one of MultiSClip, under the same noise."""
    torch.manual_seed(5)
    early = terms_of(method)
    torch.manual_seed(5)
    late = terms_of(method, SOFT)
    supervised = SUPERVISED & early.keys()
    assert {name: early[name] for name in supervised} == {name: late[name] for name in supervised}
    return early | late


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        ({"m3co_target": "mixed"}, {"m3co"}),
        ({"mix_level": "input"}, {"m3co"}),
        ({"accumulate_fixed_points": False}, {"m3co"}),
        ({"mixup_share": 0.9}, {"m3co"}),
        ({"mixup_temperature": 0.2}, {"m3co"}),
        ({"soft_temperature": 0.2}, {"multi_soft_clip"}),
        ({"pairs": "all"}, {"m3co", "multi_soft_clip"}),
        ({"contrast_weight": 0.2}, {"m3co", "multi_soft_clip"}),
        ({"unimodal_weight": 0.5}, UNIMODAL),
        ({"label_mixup": "all"}, SUPERVISED),
        ({"label_mixup": "mirna"}, {"task", "unimodal/mirna"}),
        ({"dropout": 0.5}, SUPERVISED),
        ({"classifier_layers": 3}, SUPERVISED),
        ({"fusion": {"kind": "sum", "features": 6}}, {"task"}),
        ({"label_mixup_beta": 3.0}, set()),
        ({"learning_rate": 1.0, "weight_decay": 1.0, "text_rate": 2.0}, set()),
    ],
    ids=toys.shown,
)
def test_a_switch_changes_its_terms_and_no_other(
    config: dict[str, Any], changed: set[str], monkeypatch: pytest.MonkeyPatch
):
    tell(monkeypatch)
    before, after = of_both_phases(built()), of_both_phases(built(**config))
    assert before.keys() == after.keys()
    assert {name for name, value in before.items() if after[name] != value} == changed


@pytest.mark.parametrize(
    ("config", "gone"),
    [
        ({"unimodal_weight": 0.0}, UNIMODAL),
        ({"contrast_weight": 0.0}, {"m3co", "multi_soft_clip"}),
        ({"mixup_pct": 0.0}, {"m3co"}),
        ({"mixup_pct": 1.0}, {"multi_soft_clip"}),
    ],
    ids=toys.shown,
)
def test_an_ablation_leaves_out_its_terms(
    config: dict[str, Any], gone: set[str], monkeypatch: pytest.MonkeyPatch
):
    tell(monkeypatch)
    whole, part = built(), built(**config)
    part.load_state_dict(whole.state_dict(), strict=False)
    before, after = of_both_phases(whole), of_both_phases(part)
    assert after == {name: value for name, value in before.items() if name not in gone}


def test_without_their_weight_unimodal_heads_are_not_built():
    assert not [name for name, _ in built(unimodal_weight=0.0).named_parameters() if "uni" in name]


def test_two_modalities_are_contrasted_both_ways_by_either_kind_of_pairs(
    monkeypatch: pytest.MonkeyPatch,
):
    tell(monkeypatch)
    ring, every = (built("image", "title", pairs=pairs) for pairs in ("cyclic", "all"))
    assert of_both_phases(ring) == of_both_phases(every)


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({}, [(3, 0.15, 0.5)]),
        ({"mixup_beta": 0.4, "mixup_share": 0.7}, [(3, 0.4, 0.7)]),
        ({"label_mixup": "all", "label_mixup_beta": 0.3}, [(1, 0.3, 1.0), (3, 0.15, 0.5)]),
        ({"label_mixup": "mrna", "contrast_weight": 0.0}, [(1, 0.2, 1.0)]),
        ({"contrast_weight": 0.0}, []),
    ],
    ids=toys.shown,
)
def test_mixups_are_drawn_as_configured(
    config: dict[str, Any],
    asked: list[tuple[int, float, float]],
    monkeypatch: pytest.MonkeyPatch,
):
    drawn, draw = [], m3col.draw

    def spy(*args: Any, count: int, beta: float, share: float) -> list[Mixup]:
        drawn.append((count, beta, share))
        return draw(*args, count=count, beta=beta, share=share)

    monkeypatch.setattr(m3col, "draw", spy)
    terms_of(built(**config))
    assert drawn == asked


def test_sizes_are_those_of_two_layers():
    method = built(features=6, hidden=4)
    shapes = {name: tuple(weight.shape) for name, weight in method.named_parameters()}
    assert shapes["encoders.mrna.layers.0.weight"] == (6, 5)
    assert shapes["encoders.mrna.layers.3.weight"] == (6, 6)
    assert shapes["unimodal.mrna.0.weight"] == (4, 6)
    assert shapes["classifier.0.weight"] == (4, 18)
    assert shapes["classifier.3.weight"] == (3, 4)


def test_matrices_start_xavier_normal_and_biases_at_zero():
    method = built(features=200, hidden=200)
    for name, weight in method.named_parameters():
        if weight.dim() == 1:
            assert not weight.any(), name
        elif weight.numel() > 10_000:
            expected = (2 / sum(weight.shape)) ** 0.5
            assert weight.std().item() == pytest.approx(expected, rel=0.05), name


def test_all_weights_have_the_same_learning_rate_and_decay():
    (group,) = built(learning_rate=0.3, weight_decay=0.4).parameter_groups()
    assert (group.name, group.learning_rate, group.weight_decay) == ("all", 0.3, 0.4)


def test_the_published_row_of_rosmap_is_the_default():
    config = M3CoL.Config()
    assert (config.features, config.hidden, config.dropout) == (1000, 1000, 0.0)
    assert (config.learning_rate, config.weight_decay) == (2e-3, 1e-4)
    assert (config.mixup_beta, config.mixup_share, config.mixup_pct) == (0.15, 0.5, 0.33)
    assert (config.contrast_weight, config.unimodal_weight) == (0.1, 1.0)
    assert (config.mixup_temperature, config.soft_temperature) == (0.1, 0.125)
    assert (config.m3co_target, config.mix_level) == ("unmixed", "embedding")
    assert config.accumulate_fixed_points
