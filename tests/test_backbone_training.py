"""Networks that learn along under a method, trained by DeepSpeed on one worker."""

import gc
import weakref
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_backbones as toy
import toy_training
from torch import Tensor

from mmsearch import backbones
from mmsearch.methods.base import Progress
from mmsearch.methods.baseline import Baseline
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, evaluation

RATE = 1e-3
FIRST_WEIGHT = "text.model.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of views, which the tests share."""
    return tmp_path_factory.mktemp("views")


def fine_tuned(model: Path, **settings: Any) -> dict[str, Any]:
    return {"text_backbone": toy.text(model, "fine_tuned", learning_rate=RATE, **settings)}


def asked_for(published: dict[str, Any], stage: int = 0, **changes: Any) -> Study:
    changes = {"max_epochs": 4, "deepspeed": toy_training.stage(stage), **changes}
    return toy.study({"batch_size": 8, **published}, **changes)


def predictions(trainer: Trainer) -> Tensor:
    """Of valid, as evaluation makes them."""
    engines = trainer._engines
    engines.learner.eval()
    with torch.no_grad():
        return evaluation._predict(engines, trainer._data.valid)


def curve(worker: Worker, folder: Path, asked: Study, epochs: int = 2) -> list[dict[str, float]]:
    data = toy.computed(asked, toy.raw_data(), folder)
    with toy.trainer(worker, asked, data) as trainer:
        return toy_training.curve(trainer.advance(epochs))


def close(left: list[dict[str, float]], right: list[dict[str, float]], tolerance: float) -> None:
    for one, other in zip(left, right, strict=True):
        assert one == pytest.approx(other, abs=tolerance, rel=tolerance)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_weights_move_and_the_pretrained_ones_stay(
    networks: Path, worker: Worker, folder: Path, stage: int
) -> None:
    asked = asked_for(fine_tuned(networks / "bert", output="mean"), stage)
    data = toy.computed(asked, toy.raw_data(), folder)
    (chosen,) = backbones.learning(toy.methods.complete("baseline", asked.published))
    pretrained = backbones.source(chosen).network
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    with toy.trainer(worker, asked, data) as trainer:
        started = toy.weights(trainer)
        found = trainer.advance(1)
        ended, learned = toy.weights(trainer), toy.learning(trainer)
    assert all(isfinite(value) for one in found for value in one.metrics.values())
    assert {name for name, value in ended.items() if not value.equal(started[name])} == learned
    assert {name for name in ended if "pooler" not in name} == learned
    after = backbones.source(chosen).network
    assert after is pretrained
    assert before.keys() == after.state_dict().keys()
    assert all(after.state_dict()[name].equal(value) for name, value in before.items())
    assert all(started[f"text.{name}"].equal(value) for name, value in after.named_parameters())


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_higher_stages_train_as_stage_0_does(
    networks: Path, worker: Worker, folder: Path, stage: int
) -> None:
    published = {**fine_tuned(networks / "bert", weight_decay=0.01), "gradient_clipping": 0.5}
    close(
        curve(worker, folder, asked_for(published)),
        curve(worker, folder, asked_for(published, stage)),
        1e-5,
    )


@pytest.mark.parametrize(
    ("decay_all", "groups"),
    [
        (False, {"text_backbone": 0.3, "text_backbone_plain": 0.0}),
        (True, {"text_backbone": 0.3}),
    ],
    ids=["as usual", "all"],
)
def test_biases_and_weights_of_normalisations_do_not_decay_unless_asked(
    networks: Path, worker: Worker, folder: Path, decay_all: bool, groups: dict[str, float]
) -> None:
    asked = asked_for(fine_tuned(networks / "bert", weight_decay=0.3, decay_all=decay_all))
    data = toy.computed(asked, toy.raw_data(), folder)
    with toy.trainer(worker, asked, data) as trainer:
        (one,) = trainer._engines.passes
        tables = dict(zip(one.groups, one.engine.optimizer.param_groups, strict=True))
        names = {id(p): name for name, p in trainer._engines.learner.backbones.named_parameters()}
        grouped = {key: {names.get(id(p), "") for p in t["params"]} for key, t in tables.items()}
        (first,) = trainer.advance(1)
    assert list(tables) == ["all", *groups]
    assert {name: tables[name]["weight_decay"] for name in groups} == groups
    assert all(tables[name]["lr"] == RATE for name in groups)
    assert {key for key in first.metrics if key.startswith("train/lr/")} == {
        "train/lr/all",
        *(f"train/lr/{name}" for name in groups),
    }
    assert grouped["all"] == {""}
    plain = grouped.get("text_backbone_plain", set())
    ends = ("bias", "LayerNorm.weight")
    assert all(name.endswith(ends) for name in plain)
    decayed = grouped["text_backbone"]
    assert any(name.endswith(ends) for name in decayed) == decay_all
    assert FIRST_WEIGHT in decayed


@pytest.mark.parametrize("output", ["first", "mean", "steps", "rest"])
@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_before_training_it_predicts_as_one_that_stays_as_it_is(
    networks: Path, worker: Worker, folder: Path, name: str, output: str
) -> None:
    def predicted(kind: str) -> Tensor:
        asked = asked_for({"text_backbone": toy.text(networks / name, kind, output=output)})
        data = toy.computed(asked, toy.raw_data(), folder)
        with toy.trainer(worker, asked, data) as trainer:
            return predictions(trainer)

    torch.testing.assert_close(predicted("fine_tuned"), predicted("frozen"), rtol=1e-5, atol=1e-6)


def files_of(kind: str, folder: Path) -> list[str]:
    made = folder / kind
    made.mkdir(exist_ok=True)
    if kind == "image":
        return [toy.image(made / f"{seed}.png", seed=seed) for seed in range(9)]
    return [toy.sound(made / f"{n}.wav", 0.15 + n / 50, seed=n) for n in range(9)]


SENSES = {
    "vit": ("image", "vision", {"output": "first", "horizontal_flip": True}),
    "resnet": ("image", "vision", {"output": "mean"}),
    "layer": ("sound", "audio", {"output": "mean", "max_seconds": 0.5}),
    "group": ("sound", "audio", {"output": "steps", "max_seconds": 0.4}),
}


def sensed(networks: Path, folder: Path, name: str, arm: str, stage: int) -> tuple[Study, Any]:
    """A study with an image or a sound network, and its data."""
    kind, modality, settings = SENSES[name]
    files = files_of(kind, folder)
    own = {k: v for k, v in settings.items() if arm == "fine_tuned" or k != "horizontal_flip"}
    backbone = {"kind": arm, "model": str(networks / name), **own}
    asked = asked_for({"batch_size": 3, f"{modality}_backbone": backbone}, stage)
    return asked, toy.computed(asked, toy.raw_data(kind, train=files[:6], valid=files[6:]), folder)


@pytest.mark.parametrize("stage", [0, 3])
@pytest.mark.parametrize("name", SENSES)
def test_images_and_sounds_are_learned_from_too(
    networks: Path, worker: Worker, folder: Path, name: str, stage: int
) -> None:
    asked, data = sensed(networks, folder, name, "fine_tuned", stage)
    with toy.trainer(worker, asked, data) as trainer:
        before = toy.weights(trainer)
        (found,) = trainer.advance(1)
        after, learned = toy.weights(trainer), toy.learning(trainer)
    assert isfinite(found.metrics["train/loss"])
    assert {key for key, value in after.items() if not value.equal(before[key])} == learned


# Of `group` a padded sound gives other features, and what learns along hears it padded.
@pytest.mark.parametrize("name", [name for name in SENSES if name != "group"])
def test_before_training_images_and_sounds_are_as_features_kept_of_them(
    networks: Path, worker: Worker, folder: Path, name: str
) -> None:
    found: list[Tensor] = []
    for arm in ("frozen", "fine_tuned"):
        asked, data = sensed(networks, folder, name, arm, 0)
        with toy.trainer(worker, asked, data) as trainer:
            found.append(predictions(trainer))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stage", [1, 3])
@pytest.mark.parametrize("name", ["bert", *SENSES])
def test_half_precision_stays_near_full_precision(
    networks: Path, worker: Worker, folder: Path, name: str, stage: int
) -> None:
    found: list[float] = []
    for tables in ({}, {"bf16": {"enabled": True}}):
        if name == "bert":
            asked = asked_for(fine_tuned(networks / name))
            data = toy.computed(asked, toy.raw_data(), folder)
        else:
            asked, data = sensed(networks, folder, name, "fine_tuned", 0)
        asked = replace(asked, deepspeed=toy_training.stage(stage, **tables))
        with toy.trainer(worker, asked, data) as trainer:
            found.append(trainer.advance(1)[0].metrics["valid/mae"])
            dtypes = {p.dtype for p in trainer._engines.learner.backbones.parameters()}
        assert dtypes == {torch.bfloat16 if tables else torch.float32}
    assert found[1] == pytest.approx(found[0], rel=0.05, abs=0.05)


def test_evaluation_depends_neither_on_padding_nor_on_batch_mates(
    networks: Path, worker: Worker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_for(fine_tuned(networks / "bert", output="steps"))
    with toy.trainer(worker, asked, toy.computed(asked, toy.raw_data(), folder)) as trainer:
        trainer.advance(1)
        together = predictions(trainer)
        monkeypatch.setattr(evaluation, "READ_ROWS", 1)
        torch.testing.assert_close(predictions(trainer), together, rtol=1e-5, atol=1e-6)
        valid, engines = trainer._data.valid, trainer._engines
        longer = torch.nn.functional.pad(valid.inputs["text"], (0, 4), value=9)
        inputs = {**valid.inputs, "text": longer}
        padded = type(valid)(inputs, valid.lengths, valid.target, valid.rows)
        with torch.no_grad():
            found = engines.predict(padded.to(worker.device, engines.dtype))
        torch.testing.assert_close(found, together, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_curve_bit_for_bit_loaded_or_at_hand(
    networks: Path, worker: Worker, folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoConfig, BertModel

    # Loading one without its pooler draws that at random.
    config = AutoConfig.from_pretrained(networks / "bert")
    model = toy.bert(BertModel(config, add_pooling_layer=False), tmp_path / "model")
    asked = asked_for(fine_tuned(model))
    first = curve(worker, folder, asked)
    torch.rand(7)
    assert curve(worker, folder, asked) == first
    data = toy.computed(asked, toy.raw_data(), folder)
    backbones.views._source.cache_clear()
    with toy.trainer(worker, asked, data) as trainer:
        assert toy_training.curve(trainer.advance(2)) == first


@pytest.mark.parametrize("stage", [0, 3])
def test_a_warm_worker_holds_nothing_of_the_trials_before(
    networks: Path, worker: Worker, folder: Path, stage: int
) -> None:
    asked = asked_for(fine_tuned(networks / "bert"), stage)
    data = toy.computed(asked, toy.raw_data(), folder)

    def one_trial() -> tuple[weakref.ref[torch.nn.Module], ...]:
        with toy.trainer(worker, asked, data) as trainer:
            trainer.advance(1)
            learner = trainer._engines.learner
            return weakref.ref(learner), weakref.ref(learner.backbones["text"])

    seen = [reference for _ in range(4) for reference in one_trial()]
    gc.collect()
    assert not [reference for reference in seen if reference() is not None]


def test_a_network_learns_in_the_last_of_several_phases_alone(
    networks: Path, worker: Worker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {**fine_tuned(networks / "bert"), "pair_mi": "mmilb", "accumulation": 1}
    asked = asked_for(published, method="selfmi")
    with toy.trainer(worker, asked, toy.computed(asked, toy.raw_data(), folder)) as trainer:
        first, last = trainer._engines.passes
        assert (first.groups, last.groups[-2:]) == (
            ("mi",),
            ("text_backbone", "text_backbone_plain"),
        )
        seen: dict[str, list[bool]] = {"mi": [], "main": []}
        weight = trainer._engines.learner.backbones.get_parameter(FIRST_WEIGHT)
        before = weight.detach().clone()
        for one in (first, last):
            step = one.engine.step

            def stepped(one: Any = one, step: Any = step) -> None:
                step()
                seen[one.phase.name].append(not weight.equal(before))

            monkeypatch.setattr(one.engine, "step", stepped)
        (found,) = trainer.advance(1)
        assert weight.requires_grad
    assert seen == {"mi": [False] * 3, "main": [True] * 3}
    assert all(isfinite(value) for value in found.metrics.values())


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_a_method_may_look_again_at_what_the_networks_read(
    networks: Path, worker: Worker, folder: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    def losses(self: Baseline, batch: Any, progress: Progress) -> dict[str, Tensor]:
        assert progress.raw is not None
        assert progress.look is not None
        again = progress.look(progress.raw)
        differences.append((again.inputs["text"] - batch.inputs["text"]).detach().abs().max())
        read.append(progress.raw.inputs["text"].dtype)
        terms = original(self, batch, progress)
        return {**terms, "again": original(self, again, progress)["task"]}

    differences: list[Tensor] = []
    read: list[torch.dtype] = []
    original = Baseline.losses
    asked = asked_for({**fine_tuned(networks / "still", output="steps"), "dropout": 0.0}, stage)
    plain = curve(worker, folder, asked, 1)
    monkeypatch.setattr(Baseline, "losses", losses)
    data = toy.computed(asked, toy.raw_data(), folder)
    with toy.trainer(worker, asked, data) as trainer:
        before = toy.weights(trainer)
        (found,) = trainer.advance(1)
        assert not toy.weights(trainer)[FIRST_WEIGHT].equal(before[FIRST_WEIGHT])
    assert float(max(differences)) == 0.0
    assert set(read) == {torch.int32}
    assert found.metrics["train/loss"] > plain[0]["train/loss"]


def test_a_method_without_networks_under_it_has_nothing_to_look_at(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses(self: Baseline, batch: Any, progress: Progress) -> dict[str, Tensor]:
        seen.append((progress.raw, progress.look))
        return original(self, batch, progress)

    seen: list[tuple[Any, Any]] = []
    original = Baseline.losses
    monkeypatch.setattr(Baseline, "losses", losses)
    with toy.trainer(worker, asked_for({}), toy.toy_data(num_train=9)) as trainer:
        trainer.advance(1)
    assert set(seen) == {(None, None)}
