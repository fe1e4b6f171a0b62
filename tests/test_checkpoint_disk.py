"""Checkpoints on a disk that is full: training goes on, and the old one stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_training as toy
from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
from toy_disks import Disk, small_disk
from toy_gang import Gang

from mmsearch.training import Unwritten, Worker, checkpoint

EPOCHS = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", kilobytes=256) as disk:
        yield disk


@pytest.mark.parametrize("stage", [0, 1, 3])
@pytest.mark.parametrize("leave", [0, 4096, 16384], ids=["at once", "early", "late"])
def test_a_trial_trains_on_where_its_checkpoint_cannot_be_written(
    worker: Worker, disk: Disk, stage: int, leave: int
) -> None:
    changes = {"max_epochs": EPOCHS, "deepspeed": toy.stage(stage)}
    with toy.trainer(worker, {"dropout": 0.3}, **changes) as whole:
        expected = toy.curve(whole.advance(EPOCHS))
    with toy.trainer(worker, {"dropout": 0.3}, **changes) as trainer:
        found = toy.curve(trainer.advance(1))
        trainer.save(disk.path / "trial" / "epoch-0001")
        before = files(disk.path / "trial")
        found += toy.curve(trainer.advance(2))
        disk.fill(leave)
        with pytest.raises(Unwritten, match=r"^No space left on device$"):
            trainer.save(disk.path / "trial" / "epoch-0002")
        assert files(disk.path / "trial") == before
        disk.free()
        found += toy.curve(trainer.advance(EPOCHS))
        trainer.save(disk.path / "trial" / "epoch-0003")
    assert found == expected
    with toy.trainer(worker, {"dropout": 0.3}, **changes) as resumed:
        resumed.load(disk.path / "trial" / "epoch-0001")
        assert toy.curve(resumed.advance(EPOCHS)) == expected[1:]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.*")
        if path.is_file()
    }


def test_a_checkpoint_that_was_there_under_the_name_stays(worker: Worker, disk: Disk) -> None:
    with toy.trainer(worker, {}) as trainer:
        trainer.advance(1)
        trainer.save(disk.path / "c")
        before = files(disk.path)
        disk.fill(8192)
        with pytest.raises(Unwritten, match=r"^No space left on device$"):
            trainer.save(disk.path / "c")
        disk.free()
    assert files(disk.path) == before


def saved_while_one_cannot_write(
    worker: Worker, folder: str, failing: int, stage: int
) -> tuple[str, list[dict[str, float]]]:
    """What is raised on a worker of which one cannot write; the curve goes on."""
    with toy.trainer(worker, {}, max_epochs=EPOCHS, deepspeed=toy.stage(stage)) as trainer:
        found = toy.curve(trainer.advance(1))
        said = _refused(worker, trainer.save, Path(folder), failing)
        found += toy.curve(trainer.advance(EPOCHS))
        trainer.save(Path(folder))
    return said, found


def _refused(worker: Worker, save: Any, folder: Path, failing: int) -> str:
    honest = TorchCheckpointEngine.save

    def full(engine: TorchCheckpointEngine, state_dict: Any, path: str) -> None:
        raise OSError(28, "No space left on device")

    if worker.rank == failing:
        TorchCheckpointEngine.save = full
    try:
        save(folder)
    except Unwritten as error:
        return str(error)
    finally:
        TorchCheckpointEngine.save = honest
    return ""


def uninterrupted(worker: Worker, stage: int) -> list[dict[str, float]]:
    with toy.trainer(worker, {}, max_epochs=EPOCHS, deepspeed=toy.stage(stage)) as trainer:
        return toy.curve(trainer.advance(EPOCHS))


@pytest.mark.parametrize(("failing", "stage"), [(0, 0), (0, 1), (1, 1), (1, 3)])
def test_when_one_worker_cannot_write_all_of_the_gang_go_on(
    gang: Gang, tmp_path: Path, failing: int, stage: int
) -> None:
    folder = tmp_path / "epoch-0001"
    answers = gang.call(saved_while_one_cannot_write, str(folder), failing, stage)
    said = [answer[0] for answer in answers]
    assert said[failing] == "No space left on device"
    assert said[1 - failing] == "another worker could not write its part"
    assert [answer[1] for answer in answers] == gang.call(uninterrupted, stage)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001"]
    assert (folder / checkpoint.FINGERPRINT).is_file()


def test_a_mistake_of_ours_in_writing_is_not_taken_for_a_full_disk(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: TorchCheckpointEngine, state_dict: Any, path: str) -> None:
        raise TypeError("cannot pickle")

    monkeypatch.setattr(TorchCheckpointEngine, "save", broken)
    with toy.trainer(worker, {}) as trainer, pytest.raises(TypeError, match="cannot pickle"):
        trainer.save(tmp_path / "c")
