"""M3CoL: every term against numpy from METHODS' formulas, its phases, and what it is fed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import PlainLoop
from toy_m3col import (
    MAX_EPOCHS,
    OMICS,
    ROWS,
    SMALL,
    SOFT,
    array,
    batch_of,
    built,
    cross_entropy,
    embedded,
    log_probabilities,
    mixed_by,
    tell,
    terms_of,
    through,
    told,
    unit,
    vectors_of,
)
from toys import SIX_VIEWS, toy_data, train_on_two_workers

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.methods.base import Progress
from mmsearch.methods.m3col import M3CoL

RINGS = {
    OMICS: [("mrna", "methylation"), ("methylation", "mirna"), ("mirna", "mrna")],
    ("image", "title"): [("image", "title"), ("title", "image")],
}
ALL = [(x, y) for x in OMICS for y in OMICS if x != y]
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "released code": {"m3co_target": "mixed", "accumulate_fixed_points": False},
    "mixed inputs": {"mix_level": "input"},
    "mixed inputs and targets": {"mix_level": "input", "m3co_target": "mixed"},
    "all pairs": {"pairs": "all"},
    "label mixup": {"label_mixup": "all"},
    "label mixup of one input": {"label_mixup": "mirna", "mix_level": "input"},
    "no contrast": {"contrast_weight": 0.0},
    "no unimodal heads": {"unimodal_weight": 0.0},
    "low_rank": {"fusion": {"kind": "low_rank", "rank": 2, "features": 6}},
}
every_variant = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numpy_m3co(method: M3CoL) -> float:
    """The contrast of `told` mixups, unweighted, from the configuration's switches."""
    config, vectors = method.config, vectors_of(batch_of(*method.names))
    pairs = ALL if config.pairs == "all" else RINGS[method.names]
    mixups = {
        name: told(index, share=config.mixup_share) for index, name in enumerate(method.names)
    }
    clean = embedded(method, vectors)
    if config.mix_level == "embedding":
        mixed = {name: mixed_by(mixups[name], z) for name, z in clean.items()}
    else:
        mixed = embedded(method, {name: mixed_by(mixups[name], x) for name, x in vectors.items()})
    others = mixed if config.m3co_target == "mixed" else clean
    total = 0.0
    for left, right in pairs:
        kept, partners = array(mixups[left].kept), mixups[left].partners.tolist()
        targets = np.diag(kept)
        for row in range(ROWS):
            if config.accumulate_fixed_points:
                targets[row, partners[row]] += 1 - kept[row]
            else:
                targets[row, partners[row]] = 1 - kept[row]
        scores = unit(mixed[left]) @ unit(others[right]).T / config.mixup_temperature
        ahead = -(targets * log_probabilities(scores)).sum(axis=1).mean()
        back = -(targets.T * log_probabilities(scores.T)).sum(axis=1).mean()
        total += 0.5 * (ahead + back)
    return total


@pytest.mark.parametrize("names", RINGS, ids="+".join)
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"m3co_target": "mixed"},
        {"accumulate_fixed_points": False},
        {"mix_level": "input"},
        {"mix_level": "input", "m3co_target": "mixed"},
        {"mixup_share": 1.0, "mixup_temperature": 0.3},
    ],
    ids=str,
)
def test_m3co_is_the_formula(
    names: tuple[str, ...], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    tell(monkeypatch)
    method = built(*names, contrast_weight=0.7, **config)
    assert terms_of(method)["m3co"] == pytest.approx(0.7 * numpy_m3co(method), rel=1e-5)


def test_m3co_of_all_pairs_is_the_formula(monkeypatch: pytest.MonkeyPatch):
    tell(monkeypatch)
    method = built(pairs="all", contrast_weight=1.0)
    assert terms_of(method)["m3co"] == pytest.approx(numpy_m3co(method), rel=1e-5)


@pytest.mark.parametrize(
    ("names", "pairs"), [*RINGS.items(), (OMICS, ALL)], ids=["ring of 3", "both ways", "all"]
)
def test_multi_soft_clip_is_the_formula(names: tuple[str, ...], pairs: list[tuple[str, str]]):
    kind = "all" if pairs is ALL else "cyclic"
    method = built(*names, pairs=kind, contrast_weight=0.7, soft_temperature=0.2)
    views = embedded(method, vectors_of(batch_of(*names)))
    total = 0.0
    for left, right in pairs:
        aim = np.exp(log_probabilities(unit(views[right]) @ unit(views[right]).T / 0.2))
        scores = unit(views[left]) @ unit(views[right]).T / 0.2
        for one in (scores, scores.T):
            total -= 0.5 * (aim * log_probabilities(one)).sum(axis=1).mean()
    assert terms_of(method, SOFT)["multi_soft_clip"] == pytest.approx(0.7 * total, rel=1e-5)


def test_cross_entropies_are_those_of_the_fused_and_of_every_modality():
    method, batch = built(unimodal_weight=0.5), batch_of()
    views = embedded(method, vectors_of(batch))
    target, terms = batch.target.tolist(), terms_of(method)
    fused = through(method.classifier, np.concatenate([views[name] for name in OMICS], axis=1))
    assert terms["task"] == pytest.approx(cross_entropy(fused, target), rel=1e-5)
    for name in OMICS:
        alone = cross_entropy(through(method.unimodal[name], views[name]), target)
        assert terms[f"unimodal/{name}"] == pytest.approx(0.5 * alone, rel=1e-5)
    np.testing.assert_allclose(array(method.eval()(batch)), fused, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", ["embedding", "input"])
@pytest.mark.parametrize("mixed", ["all", "mrna", "mirna"])
def test_label_mixup_weighs_both_labels_by_what_was_mixed(
    mixed: str, level: str, monkeypatch: pytest.MonkeyPatch
):
    tell(monkeypatch)
    method, batch = built(label_mixup=mixed, mix_level=level), batch_of()
    chosen = OMICS if mixed == "all" else (mixed,)
    mixup = told(0, share=1.0)
    share, partners = float(mixup.kept[0]), mixup.partners.tolist()
    assert 0 < share < 1

    def blended(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: share * x + (1 - share) * x[partners] if name in chosen else x
            for name, x in values.items()
        }

    vectors = vectors_of(batch)
    if level == "embedding":
        views = blended(embedded(method, vectors))
    else:
        views = embedded(method, blended(vectors))
    target = batch.target.tolist()
    theirs, terms = [target[partner] for partner in partners], terms_of(method)
    for name in OMICS:
        logits = through(method.unimodal[name], views[name])
        kept = share if name in chosen else 1.0
        expected = kept * cross_entropy(logits, target) + (1 - kept) * cross_entropy(logits, theirs)
        assert terms[f"unimodal/{name}"] == pytest.approx(expected, rel=1e-5)
    logits = through(method.classifier, np.concatenate([views[name] for name in OMICS], axis=1))
    kept = (share * len(chosen) + len(OMICS) - len(chosen)) / len(OMICS)
    expected = kept * cross_entropy(logits, target) + (1 - kept) * cross_entropy(logits, theirs)
    assert terms["task"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("max_epochs", "mixup_pct", "last"),
    [(25, 0.33, 8), (50, 0.33, 16), (500, 0.33, 165), (1000, 0.33, 330), (7, 0.5, 3), (2, 0.33, 0)],
)
def test_m3co_gives_way_to_multi_soft_clip_at_a_share_of_the_budget(
    max_epochs: int, mixup_pct: float, last: int
):
    method, batch = built(mixup_pct=mixup_pct), batch_of()
    kinds = [
        method.losses(batch, Progress(epoch, max_epochs)).keys() & M3CoL.coupled_terms
        for epoch in (last, last + 1)
        if epoch > 0
    ]
    assert kinds == ([{"m3co"}] if last else []) + [{"multi_soft_clip"}]


@pytest.mark.parametrize(("mixup_pct", "kind"), [(0.0, "multi_soft_clip"), (1.0, "m3co")])
def test_a_share_of_none_or_all_leaves_one_contrast(mixup_pct: float, kind: str):
    method = built(mixup_pct=mixup_pct)
    for epoch in (1, MAX_EPOCHS):
        assert terms_of(method, epoch).keys() & M3CoL.coupled_terms == {kind}


def test_nothing_is_mixed_in_evaluation_mode(monkeypatch: pytest.MonkeyPatch):
    mixing, plain = built(label_mixup="all").eval(), built(mixup_share=0.0).eval()
    assert terms_of(mixing) == pytest.approx(terms_of(plain))


@every_variant
def test_a_variant_resumes_bit_for_bit(config: dict[str, Any]):
    data = toy_data(OMICS, steps=1, classes=3)
    settings = {**SMALL, "batch_size": 24, "dropout": 0.2, "mixup_pct": 0.4, **config}
    through = PlainLoop("m3col", settings, data)
    through.run(3)
    state = through.state()
    curves = through.run(3)
    resumed = PlainLoop("m3col", settings, data)
    resumed.restore(state)
    assert resumed.run(3) == curves
    for name, value in through.method.state_dict().items():
        assert resumed.method.state_dict()[name].equal(value), name


@every_variant
def test_a_variant_moves_every_weight_that_it_has(config: dict[str, Any]):
    data = toy_data(OMICS, steps=1, classes=3)
    loop = PlainLoop("m3col", {**SMALL, "batch_size": 24, **config}, data)
    before = {name: weight.clone() for name, weight in loop.method.named_parameters()}
    loop.run(3)
    still = [name for name, weight in loop.method.named_parameters() if weight.equal(before[name])]
    assert still == []


@every_variant
def test_two_workers_agree_with_one_in_a_variant(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    tell(monkeypatch)
    method, batch = built(**config), batch_of()
    for epoch in (1, SOFT):
        expected = method.losses(batch, Progress(epoch, MAX_EPOCHS))
        found = train_on_two_workers([method, method], batch, epoch=epoch)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            first, second, mean = found[name]
            assert mean.item() == pytest.approx(value.item(), rel=1e-5), name
            assert first.equal(second) == (name in M3CoL.coupled_terms), name


@pytest.mark.parametrize("level", ["embedding", "input"])
def test_workers_that_draw_apart_have_the_same_contrast(level: str):
    gang = [built(mix_level=level) for _ in range(2)]
    first, second, _ = train_on_two_workers(gang, batch_of(), epoch=1)["m3co"]
    assert first.equal(second)


@pytest.mark.parametrize("number", range(2, 7))
@pytest.mark.parametrize("pairs", ["cyclic", "all"])
def test_two_to_six_modalities_are_taken(number: int, pairs: str):
    data = toy_data(SIX_VIEWS[:number], steps=1, classes=3)
    curves = PlainLoop("m3col", {**SMALL, "pairs": pairs}, data, max_epochs=4).run(4)
    assert all(np.isfinite(list(curve.values())).all() for curve in curves)
    assert "m3co" in curves[0]
    assert "multi_soft_clip" in curves[3]


@every_variant
def test_a_batch_of_one_can_be_trained_on(config: dict[str, Any]):
    data = toy_data(OMICS, steps=1, classes=3, num_train=3)
    curves = PlainLoop("m3col", {**SMALL, "batch_size": 1, **config}, data, max_epochs=4).run(4)
    assert all(np.isfinite(list(curve.values())).all() for curve in curves)


def test_a_sequence_is_taken_as_the_mean_of_its_real_steps():
    data = toy_data(("text", "audio"), classes=3)
    torch.manual_seed(0)
    method = methods.build("m3col", SMALL, data.task)
    assert isinstance(method, M3CoL)
    views = {}
    for name in method.names:
        sequences = zip(data.train.inputs[name], data.train.lengths[name], strict=True)
        means = [array(x[:steps]).mean(axis=0) for x, steps in sequences]
        views[name] = through(method.encoders[name], np.array(means))
    logits = through(method.classifier, np.concatenate(list(views.values()), axis=1))
    np.testing.assert_allclose(array(method(data.train)), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [{}, {"mix_level": "input", "label_mixup": "all"}], ids=str)
def test_half_precision_weights_keep_losses_in_float32(config: dict[str, Any]):
    method = built(**config).bfloat16()
    half = batch_of().to(torch.device("cpu"), torch.bfloat16)
    for epoch in (1, SOFT):
        terms = method.losses(half, Progress(epoch, MAX_EPOCHS))
        assert {term.dtype for term in terms.values()} == {torch.float32}
        sum(terms.values()).backward()
    assert method(half).dtype == torch.float32


def test_autocasting_keeps_losses_in_float32(monkeypatch: pytest.MonkeyPatch):
    tell(monkeypatch)
    method = built()
    for epoch in (1, SOFT):
        exact = terms_of(method, epoch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = method.losses(batch_of(), Progress(epoch, MAX_EPOCHS))
        assert {term.dtype for term in terms.values()} == {torch.float32}
        found = {name: term.item() for name, term in terms.items()}
        assert found == pytest.approx(exact, rel=0.05, abs=0.02)


def test_a_regression_is_refused():
    with pytest.raises(StudyError, match="m3col tells classes apart; toy has a number to predict"):
        methods.build("m3col", {}, toy_data().task)


def test_a_single_modality_is_refused():
    task = toy_data(("mrna",), steps=1, classes=3).task
    with pytest.raises(StudyError, match=r"takes two to six modalities, got 1 \(mrna\)"):
        methods.build("m3col", {}, task)


def test_label_mixup_of_an_unknown_modality_is_refused_with_the_closest():
    rule = r"config.label_mixup: 'mrma' is neither off nor all .*Did you mean 'm(i)?rna'"
    with pytest.raises(StudyError, match=rule):
        methods.build("m3col", {"label_mixup": "mrma"}, toy_data(OMICS, steps=1, classes=3).task)
