"""Learning-rate schedules: by hand, through DeepSpeed, and after a resume."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import toy_training as toy

from mmsearch.training import Worker
from mmsearch.trial import Observation

BODY, HEAD = "train/lr/body", "train/lr/head"
RATE = 3.0
"""High enough that the loss jumps about."""
PLATEAU = {"kind": "plateau", "watch": "train", "patience": 1, "factor": 0.5}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with toy.alone(tmp_path) as joined:
        yield joined


def advanced(worker: Worker, config: dict, epochs: int, **changes: object) -> list[Observation]:
    with toy.trainer(worker, config, max_epochs=epochs, **changes) as trainer:
        return trainer.advance(epochs)


def by_hand(values: Sequence[float], *, patience: int, factor: float, sign: int) -> list[float]:
    """Scale of each epoch: falls when more than `patience` epochs were no 0.01 % better."""
    scales, best, bad = [1.0], None, 0
    for value in values:
        if best is None or sign * value < sign * best - 1e-4 * abs(best):
            best, bad = value, 0
        else:
            bad += 1
        falls = bad > patience
        bad = 0 if falls else bad
        scales.append(scales[-1] * (factor if falls else 1.0))
    return scales[:-1]


def test_a_constant_schedule_leaves_every_rate(worker: Worker):
    seen = advanced(worker, {}, 3)
    assert {o.metrics[BODY] for o in seen} == {1e-2}


@pytest.mark.parametrize("number", [0, 1])
def test_a_step_falls_after_every_so_many_epochs_in_all_groups(worker: Worker, number: int):
    config = {"lr_schedule": {"kind": "step", "every": 2, "factor": 0.1}}
    seen = advanced(worker, config, 5, deepspeed=toy.stage(number))
    expected = [1e-2, 1e-2, 1e-3, 1e-3, 1e-4]
    assert [o.metrics[BODY] for o in seen] == pytest.approx(expected)
    assert [o.metrics[HEAD] for o in seen] == pytest.approx([rate / 2 for rate in expected])


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_a_plateau_of_the_training_loss_is_as_by_hand(worker: Worker, patience: int):
    config = {"learning_rate": RATE, "lr_schedule": {**PLATEAU, "patience": patience}}
    seen = advanced(worker, config, 12)
    losses = [o.metrics["train/loss"] for o in seen]
    scales = by_hand(losses, patience=patience, factor=0.5, sign=1)
    assert scales[-1] < 1
    assert [o.metrics[BODY] for o in seen] == pytest.approx([RATE * scale for scale in scales])


@pytest.mark.parametrize(("metric", "sign"), [("valid/mae", 1), ("valid/corr", -1)])
def test_a_plateau_of_the_objective_knows_which_way_is_better(
    worker: Worker, metric: str, sign: int
):
    config = {"learning_rate": RATE, "lr_schedule": {**PLATEAU, "watch": "valid"}}
    direction = "minimize" if sign == 1 else "maximize"
    objective = toy.Objective(metric, direction)
    seen = advanced(worker, config, 10, objective=objective)
    values = [o.metrics[metric] for o in seen]
    scales = by_hand(values, patience=1, factor=0.5, sign=sign)
    assert scales[-1] < 1
    assert [o.metrics[BODY] for o in seen] == pytest.approx([RATE * scale for scale in scales])


def test_a_lower_rate_takes_smaller_steps(worker: Worker):
    falling = {"lr_schedule": {"kind": "step", "every": 1, "factor": 1e-6}}
    fell, stayed = (advanced(worker, config, 3) for config in (falling, {}))
    first, *rest = [o.metrics["valid/mae"] for o in fell]
    assert rest == pytest.approx([first, first], abs=1e-4)
    assert [o.metrics["valid/mae"] for o in stayed][1:] != pytest.approx(rest, abs=1e-3)


@pytest.mark.parametrize(
    "schedule", [PLATEAU, {"kind": "step", "every": 2, "factor": 0.5}], ids=["plateau", "step"]
)
def test_a_resumed_trial_has_the_rates_of_an_undisturbed_one(
    worker: Worker, tmp_path: Path, schedule: dict
):
    config = {"learning_rate": RATE, "lr_schedule": schedule}
    with toy.trainer(worker, config, max_epochs=8) as trainer:
        before = trainer.advance(5)
        trainer.save(tmp_path / "checkpoint")
        after = trainer.advance(8)
    with toy.trainer(worker, config, max_epochs=8) as resumed:
        resumed.load(tmp_path / "checkpoint")
        assert toy.curve(resumed.advance(8)) == toy.curve(after)
    assert before[0].metrics[BODY] > after[-1].metrics[BODY]
