"""Every method takes features of networks, and trains a network under it."""

from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import toy_backbones as toy

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.training import Worker

EXAMPLE = Path(__file__).parent / "own_method_example.py"
METHODS = [*methods.known(), str(EXAMPLE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of views, which the tests share."""
    return tmp_path_factory.mktemp("views")


def kinds(name: str) -> list[int]:
    """Numbers of classes, 0 of a regression, that a method takes."""
    found = [classes for classes in (0, 3) if _takes(name, classes)]
    assert found, f"{name} takes neither a regression nor classes of text, audio and vision"
    return found


def _takes(name: str, classes: int) -> bool:
    try:
        methods.build(name, {}, toy.toy_data(classes=classes).task)
    except StudyError:
        return False
    return True


every_method = pytest.mark.parametrize(
    ("name", "classes"),
    [(name, classes) for name in METHODS for classes in kinds(name)],
    ids=lambda value: Path(value).stem if isinstance(value, str) else f"{value} classes",
)


def asked_for(name: str, classes: int, backbone: dict[str, Any]) -> toy.Study:
    metric = "valid/accuracy" if classes else "valid/mae"
    return toy.study({"text_backbone": backbone}, method=name, max_epochs=3, metric=metric)


@every_method
def test_a_network_under_a_method_learns_whole(
    networks: Path, worker: Worker, folder: Path, name: str, classes: int
) -> None:
    backbone = toy.text(networks / "bert", "fine_tuned", learning_rate=1e-3)
    asked = asked_for(name, classes, backbone)
    data = toy.computed(asked, toy.raw_data(classes=classes), folder)
    with toy.trainer(worker, asked, data) as trainer:
        waiting = toy.learning(trainer)
        assert waiting
        for key, weight in trainer._engines.learner.backbones.named_parameters():
            if weight.requires_grad:
                weight.register_post_accumulate_grad_hook(
                    lambda moved, key=key: waiting.discard(key) if moved.grad.any() else None
                )
        (found,) = trainer.advance(1)
    assert waiting == set()
    assert all(isfinite(value) for value in found.metrics.values())


@every_method
@pytest.mark.parametrize("kind", ["frozen", "fine_tuned"])
def test_a_method_takes_every_step_of_a_text(
    networks: Path, worker: Worker, folder: Path, name: str, classes: int, kind: str
) -> None:
    asked = asked_for(name, classes, toy.text(networks / "bert", kind, output="steps"))
    data = toy.computed(asked, toy.raw_data(classes=classes), folder)
    with toy.trainer(worker, asked, data) as trainer:
        (found,) = trainer.advance(1)
        width = trainer._data.task.modalities["text"]
    assert width == toy.WIDTH
    assert all(isfinite(value) for value in found.metrics.values())
