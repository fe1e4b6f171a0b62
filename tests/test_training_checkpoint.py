"""Checkpoints of the training room: a resumed trial is the trial that was never interrupted."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training as toy
from torch import Tensor

from mmsearch.errors import TrainingError
from mmsearch.study import Objective
from mmsearch.training import Trainer, Worker, checkpoint

BF16 = {"bf16": {"enabled": True}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stage 0": ({}, {}),
    "stage 1": (toy.stage(1), {}),
    "stage 2": (toy.stage(2), {}),
    "stage 3": (toy.stage(3), {}),
    "phases": ({}, {"phases": "two"}),
    "bf16 at stage 1": (toy.stage(1, **BF16), {}),
    "bf16 at stage 3": (toy.stage(3, **BF16), {}),
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with toy.alone(tmp_path_factory.mktemp("gang")) as one:
        yield one


class OpenedError(Exception):
    """Raised by what must not be unpickled."""


class Trap:
    """Shows by an exception that it was unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _spring, ()


def _spring() -> None:
    raise OpenedError


def state(trainer: Trainer) -> dict[str, Tensor]:
    """Weights, memories and what the optimisers remember."""
    found = checkpoint.weights(trainer._engines)
    for one in trainer._engines.passes:
        optimizer = one.engine.optimizer
        inner = getattr(optimizer, "optimizer", optimizer)
        for index, values in enumerate(inner.state.values()):
            for name, value in values.items():
                if isinstance(value, Tensor):
                    found[f"{one.phase.name}/{index}/{name}"] = value.clone()
    return found


def written(worker: Worker, folder: Path, config: dict[str, Any], **changes: Any) -> Path:
    with toy.trainer(worker, config, **changes) as trainer:
        trainer.advance(1)
        trainer.save(folder)
    return folder


@pytest.mark.parametrize(("table", "config"), CASES.values(), ids=CASES.keys())
def test_a_resumed_trial_goes_on_bit_for_bit(
    worker: Worker, tmp_path: Path, table: dict[str, Any], config: dict[str, Any]
) -> None:
    config = {"dropout": 0.3, "accumulation": 2, "accumulation_tail": "drop", **config}
    changes = {"max_epochs": 4, "deepspeed": table}
    with toy.trainer(worker, config, **changes) as whole:
        expected = toy.curve(whole.advance(4))
        expected_state = state(whole)
    with toy.trainer(worker, config, **changes) as first:
        found = toy.curve(first.advance(2))
        first.save(tmp_path / "epoch-2")
    with toy.trainer(worker, config, **changes) as second:
        second.load(tmp_path / "epoch-2")
        found += toy.curve(second.advance(4))
        found_state = state(second)
    assert found == expected
    assert found_state.keys() == expected_state.keys()
    assert all(found_state[name].equal(value) for name, value in expected_state.items())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"patience": 3},
        {"reload_best": True, "learning_rate": 0.3},
        {"lr_schedule": {"kind": "step", "every": 1}},
        {"lr_schedule": {"kind": "plateau", "patience": 0}, "learning_rate": 0.3},
    ],
    ids=["plain", "patience", "reload_best", "step", "plateau"],
)
def test_a_completed_trial_goes_on_for_more_epochs_as_if_it_had_had_them_from_the_start(
    worker: Worker, tmp_path: Path, config: dict[str, Any]
) -> None:
    config = {"dropout": 0.3, **config}
    with toy.trainer(worker, config, max_epochs=6) as whole:
        expected = toy.curve(whole.advance(6))
        expected_state = state(whole)
    with toy.trainer(worker, config, max_epochs=3) as short:
        found = toy.curve(short.advance(6))
        assert short.finished
        short.save(tmp_path / "epoch-3")
    with toy.trainer(worker, config, max_epochs=6) as longer:
        longer.load(tmp_path / "epoch-3")
        found += toy.curve(longer.advance(6))
        found_state = state(longer)
    assert found == expected
    assert len(found) > 3
    assert all(found_state[name].equal(value) for name, value in expected_state.items())


def test_patience_is_counted_across_a_resume(worker: Worker, tmp_path: Path) -> None:
    config = {"patience": 3, "learning_rate": 1e-12}
    changes = {"max_epochs": 9, "metric": "valid/acc_7"}
    with toy.trainer(worker, config, **changes) as first:
        first.advance(3)
        first.save(tmp_path / "c")
    with toy.trainer(worker, config, **changes) as second:
        second.load(tmp_path / "c")
        assert (second.epoch, second.finished) == (3, False)
        assert [observation.epoch for observation in second.advance(9)] == [4]
        assert second.finished


def test_the_best_weights_are_those_of_the_best_epoch(worker: Worker, tmp_path: Path) -> None:
    objective = Objective("valid/mae", "maximize")
    changes = {"max_epochs": 4, "objective": objective}
    with toy.trainer(worker, {}, **changes) as trainer:
        values = [o.metrics["valid/mae"] for o in trainer.advance(1)]
        expected = checkpoint.weights(trainer._engines)
        values += [o.metrics["valid/mae"] for o in trainer.advance(4)]
        trainer.save(tmp_path / "c")
    assert max(values) == values[0], "this toy gets better at every epoch"
    found = torch.load(tmp_path / "c" / "best.pt")
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in expected)


def test_the_best_weights_outlive_a_resume(worker: Worker, tmp_path: Path) -> None:
    changes = {"max_epochs": 3, "objective": Objective("valid/mae", "maximize")}
    written(worker, tmp_path / "first", {}, **changes)
    with toy.trainer(worker, {}, **changes) as trainer:
        trainer.load(tmp_path / "first")
        trainer.advance(3)
        trainer.save(tmp_path / "second")
    first, second = (torch.load(tmp_path / name / "best.pt") for name in ("first", "second"))
    assert all(first[name].equal(second[name]) for name in first)


def test_an_objective_of_the_last_epoch_keeps_its_weights(worker: Worker, tmp_path: Path) -> None:
    objective = Objective("valid/mae", "maximize", epoch="last")
    with toy.trainer(worker, {}, objective=objective) as trainer:
        trainer.advance(3)
        trainer.save(tmp_path / "c")
        expected = checkpoint.weights(trainer._engines)
    found = torch.load(tmp_path / "c" / "best.pt")
    assert all(found[name].equal(expected[name]) for name in expected)


@pytest.mark.parametrize("number", [0, 3])
def test_fixed_weights_are_not_written(worker: Worker, tmp_path: Path, number: int) -> None:
    folder = written(worker, tmp_path / "c", {}, deepspeed=toy.stage(number))
    names = set(torch.load(folder / "best.pt"))
    assert "memory" in names
    assert "scale" in names
    (file,) = (folder / "main").glob("*model_states.pt")
    names |= set(torch.load(file, weights_only=False)["module"])
    assert not [name for name in names if "frozen" in name]


def test_saving_again_replaces_and_leaves_nothing_behind(worker: Worker, tmp_path: Path) -> None:
    written(worker, tmp_path / "c", {})
    (tmp_path / "c" / "stray").touch()
    (tmp_path / "c.partial").mkdir()
    written(worker, tmp_path / "c", {})
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "best.pt",
        "main",
        "mmsearch.json",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("config", "0" * 64), ("world_size", 2), ("stage", 1), ("data", "other"), ("format", 0)],
)
def test_a_checkpoint_of_another_trial_is_refused_unopened(
    worker: Worker, tmp_path: Path, key: str, value: Any
) -> None:
    folder = written(worker, tmp_path / "c", {})
    for file in (folder / "main").glob("*.pt"):
        torch.save(Trap(), file)
    written_by = json.loads((folder / "mmsearch.json").read_text())
    (folder / "mmsearch.json").write_text(json.dumps({**written_by, key: value}))
    with (
        toy.trainer(worker, {}) as trainer,
        pytest.raises(TrainingError, match=f"another trial: {key} is {value!r}, not"),
    ):
        trainer.load(folder)


def test_another_configuration_is_refused(worker: Worker, tmp_path: Path) -> None:
    folder = written(worker, tmp_path / "c", {})
    with (
        toy.trainer(worker, {"dropout": 0.1}) as trainer,
        pytest.raises(TrainingError, match="a checkpoint of another trial: config is"),
    ):
        trainer.load(folder)


def test_a_folder_of_others_is_refused(worker: Worker, tmp_path: Path) -> None:
    with (
        toy.trainer(worker, {}) as trainer,
        pytest.raises(
            TrainingError, match=r"not a checkpoint that mmsearch wrote, it has no readable"
        ),
    ):
        trainer.load(tmp_path)


def spring(folder: Path) -> None:
    for file in (folder / "main").glob("*.pt"):
        torch.save(Trap(), file)


def cut(folder: Path) -> None:
    for file in (folder / "main").glob("*.pt"):
        file.write_bytes(file.read_bytes()[:-999])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spring, r"asks for test_training_checkpoint\._spring, which DeepSpeed does not write"),
        (cut, "cannot be read as a part of a checkpoint"),
        (lambda folder: (folder / "best.pt").write_bytes(b""), r"best\.pt: cannot be read"),
        (lambda folder: (folder / "mmsearch.json").write_text("[]"), r"mmsearch\.json is no table"),
        (lambda folder: (folder / "mmsearch.json").write_text("{"), "no readable mmsearch"),
    ],
    ids=["hostile", "cut off", "empty", "a list", "no JSON"],
)
def test_a_checkpoint_that_was_tampered_with_is_refused_unopened(
    worker: Worker, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    folder = written(worker, tmp_path / "c", {})
    spoil(folder)
    with (
        toy.trainer(worker, {}) as trainer,
        pytest.raises(TrainingError, match=rf"{message}.*Resume with what wrote it"),
    ):
        trainer.load(folder)
