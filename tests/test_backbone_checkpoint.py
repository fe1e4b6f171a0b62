"""Checkpoints and gangs of trials with a network that learns along."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_backbones as toy
import toy_training
from torch import Tensor
from toy_gang import Gang

from mmsearch.backbones.views import _source
from mmsearch.datasets.task import SearchData
from mmsearch.errors import TrainingError
from mmsearch.study import Study
from mmsearch.training import Worker, checkpoint

BF16 = {"bf16": {"enabled": True}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stage 0": (toy_training.stage(0), {}),
    "stage 1": (toy_training.stage(1), {}),
    "stage 2": (toy_training.stage(2), {}),
    "stage 3": (toy_training.stage(3), {}),
    "bf16 at stage 1": (toy_training.stage(1, **BF16), {}),
    "phases": ({}, {"method": "selfmi", "pair_mi": "mmilb"}),
}
Curve = list[dict[str, float]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of views, which the tests share."""
    return tmp_path_factory.mktemp("views")


def asked_for(model: Path, table: dict[str, Any], **published: Any) -> Study:
    backbone = toy.text(model, "fine_tuned", learning_rate=1e-3, weight_decay=0.01)
    method = published.pop("method", "baseline")
    settings = {"batch_size": 7, "text_backbone": backbone, **published}
    return toy.study(settings, method=method, max_epochs=3, deepspeed=table)


def trained(
    worker: Worker, asked: Study, data: SearchData, epochs: int = 3
) -> tuple[Curve, dict[str, Tensor]]:
    """Curve, and all that was learned in the end."""
    with toy.trainer(worker, asked, data) as trainer:
        found = toy_training.curve(trainer.advance(epochs))
        return found, checkpoint.weights(trainer._engines)


def interrupted(
    worker: Worker, asked: Study, data: SearchData, folder: Path
) -> tuple[Curve, dict[str, Tensor]]:
    """The same of a trial that another trainer went on with after an epoch."""
    with toy.trainer(worker, asked, data) as first:
        found = toy_training.curve(first.advance(1))
        first.save(folder)
    with toy.trainer(worker, asked, data) as second:
        second.load(folder)
        found += toy_training.curve(second.advance(3))
        return found, checkpoint.weights(second._engines)


@pytest.mark.parametrize(("table", "published"), CASES.values(), ids=CASES.keys())
def test_a_resumed_trial_goes_on_bit_for_bit(
    networks: Path,
    worker: Worker,
    folder: Path,
    tmp_path: Path,
    table: dict[str, Any],
    published: dict[str, Any],
) -> None:
    asked = asked_for(networks / "bert", table, **published)
    data = toy.computed(asked, toy.raw_data(), folder)
    curve, weights = trained(worker, asked, data)
    found, others = interrupted(worker, asked, data, tmp_path / "c")
    assert found == curve
    assert others.keys() == weights.keys()
    assert all(others[name].equal(value) for name, value in weights.items())


@pytest.mark.parametrize("stage", [0, 3])
def test_the_best_weights_hold_what_was_learned_of_the_network_and_no_more(
    networks: Path, worker: Worker, folder: Path, tmp_path: Path, stage: int
) -> None:
    asked = asked_for(networks / "bert", toy_training.stage(stage))
    data = toy.computed(asked, toy.raw_data(), folder)
    with toy.trainer(worker, asked, data) as trainer:
        trainer.advance(1)
        trainer.save(tmp_path / "c")
        wanted = toy.weights(trainer)
        learned = toy.learning(trainer)
    best = torch.load(tmp_path / "c" / "best.pt")
    of_network = {name for name in best if name.startswith("backbones.")}
    assert of_network >= {f"backbones.{name}" for name in learned}
    assert not [name for name in best if "pooler" in name]
    assert best.keys() - of_network, "what the method learned is there too"
    assert all(best[f"backbones.{name}"].equal(wanted[name]) for name in learned)
    (file,) = (tmp_path / "c" / "main").glob("*model_states.pt")
    assert not [key for key in torch.load(file, weights_only=False)["module"] if "pooler" in key]


def test_another_network_under_the_same_settings_is_another_trial(
    networks: Path, worker: Worker, folder: Path, tmp_path: Path
) -> None:
    from transformers import BertModel

    shutil.copytree(networks / "bert", tmp_path / "model")
    asked = asked_for(tmp_path / "model", {})
    with toy.trainer(worker, asked, toy.computed(asked, toy.raw_data(), folder)) as trainer:
        trainer.advance(1)
        trainer.save(tmp_path / "c")
    toy.save(tmp_path / "model", BertModel.from_pretrained(tmp_path / "model"), seed=3)
    _source.cache_clear()
    with (
        toy.trainer(worker, asked, toy.computed(asked, toy.raw_data(), folder)) as trainer,
        pytest.raises(TrainingError, match="a checkpoint of another trial: data is"),
    ):
        trainer.load(tmp_path / "c")


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_workers_train_as_one_does(
    networks: Path, worker: Worker, gang: Gang, folder: Path, stage: int
) -> None:
    table = toy_training.stage(stage)
    # Dropout draws differently on each worker.
    encoder = {"kind": "mean", "dropout": 0.0}
    still = {"dropout": 0.0, "text_encoder": encoder, "encoder": encoder}
    asked = asked_for(networks / "still", table, **still)
    data = toy.computed(asked, toy.raw_data(), folder)
    curve, weights = trained(worker, asked, data)
    (found, learned), (others, nothing) = gang.call(trained, asked, data)
    assert found == others
    assert not nothing
    for one, other in zip(curve, found, strict=True):
        assert one == pytest.approx(other, abs=1e-4, rel=1e-4)
    assert learned.keys() == weights.keys()
    # Attention does not change with a bias of its keys: their gradients are rounding errors, and
    # Adam's steps go by signs.
    certain = [name for name in weights if not name.endswith("key.bias")]
    assert len(certain) == len(weights) - 2
    assert all(torch.allclose(learned[name], weights[name], atol=1e-5) for name in certain)


@pytest.mark.parametrize("stage", [0, 3])
def test_two_workers_resume_bit_for_bit(
    networks: Path, gang: Gang, folder: Path, tmp_path: Path, stage: int
) -> None:
    asked = asked_for(networks / "bert", toy_training.stage(stage))
    data = toy.computed(asked, toy.raw_data(), folder)
    whole = [curve for curve, _ in gang.call(trained, asked, data)]
    assert [c for c, _ in gang.call(interrupted, asked, data, tmp_path / "c")] == whole
