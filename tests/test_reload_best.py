"""`reload_best`: after an epoch that is no better, training goes on from the best weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import toy_training as toy
from torch import Tensor

from mmsearch.errors import TrainingError
from mmsearch.study import Objective
from mmsearch.training import Trainer, Worker, check

CONFIG = {"learning_rate": 1.0, "reload_best": True}
"""A rate at which epochs get worse again."""
EPOCHS = 8


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with toy.alone(tmp_path) as joined:
        yield joined


def state(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer._engines.method.state_dict().items()}


def test_weights_and_memories_are_the_best_ones_after_every_epoch(worker: Worker):
    with toy.trainer(worker, CONFIG, max_epochs=EPOCHS) as trainer:
        best, worse = None, 0
        for epoch in range(1, EPOCHS + 1):
            (seen,) = trainer.advance(epoch)
            now = state(trainer)
            if best is None or seen.metrics["valid/mae"] < best[0]:
                best = seen.metrics["valid/mae"], now
            else:
                worse += 1
                assert all(torch.equal(now[name], value) for name, value in best[1].items())
        assert worse > 1


def test_without_it_training_goes_on_from_where_it_is(worker: Worker):
    curves = []
    for config in (CONFIG, {**CONFIG, "reload_best": False}):
        with toy.trainer(worker, config, max_epochs=EPOCHS) as trainer:
            curves.append([o.metrics["valid/mae"] for o in trainer.advance(EPOCHS)])
    reloaded, plain = curves
    first = next(n for n in range(1, EPOCHS) if plain[n] >= min(plain[:n]))
    assert reloaded[: first + 1] == plain[: first + 1]
    assert reloaded[first + 1 :] != plain[first + 1 :]


def test_a_resumed_trial_goes_back_to_the_same_weights(worker: Worker, tmp_path: Path):
    with toy.trainer(worker, CONFIG, max_epochs=EPOCHS) as trainer:
        trainer.advance(4)
        trainer.save(tmp_path / "checkpoint")
        after = trainer.advance(EPOCHS)
    with toy.trainer(worker, CONFIG, max_epochs=EPOCHS) as resumed:
        resumed.load(tmp_path / "checkpoint")
        assert toy.curve(resumed.advance(EPOCHS)) == toy.curve(after)


def test_it_needs_stage_0_and_an_objective_that_keeps_the_best_epoch():
    config = toy.Toy.Config.model_validate(CONFIG)
    task = toy.data().task
    study = toy.study(deepspeed=toy.stage(1))
    with pytest.raises(TrainingError, match=r"goes back to its best weights.*needs ZeRO stage 0"):
        check(study, config, task=task)
    last = Objective("valid/mae", "minimize", epoch="last")
    with pytest.raises(TrainingError, match=r'epoch = "last" keeps none\. Set epoch = "best"'):
        check(toy.study(objective=last), config, task=task)
