"""A study's folder that was moved, copied or lost its checkpoints goes on from where it lies."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_dispatcher import Laboratory

from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.messages import Begin, Ready
from mmsearch.trial import Checkpoint


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Laboratory]:
    """Two gangs that saved what they trained, and were killed."""
    folder = tmp_path / "here"
    lab = Laboratory(folder, trials=4, gangs=2)
    lab.step("gang-0")
    lab.dispatcher.wind_down()
    lab.run()
    lab.mail.clear()
    return folder, lab


def resumed(lab: Laboratory, folder: Path) -> Begin:
    """What the first gang of another sitting is told to begin."""
    lab.dispatcher = lab.sitting(folder)
    lab.dispatcher.reported("gang-9", Ready("host"))
    order = lab.mail["gang-9"]
    assert isinstance(order, Begin)
    return order


def test_the_record_has_checkpoints_as_seen_from_the_studys_folder(
    study: tuple[Path, Laboratory],
) -> None:
    folder, lab = study
    saved = lab.ledger.trials[0].checkpoint
    assert saved == Checkpoint("checkpoints/trial-0000/epoch-0002", 2, 1)
    assert (folder / saved.uri).is_dir()


@pytest.mark.parametrize("moved", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_study_that_lies_elsewhere_goes_on_from_the_checkpoints_that_lie_with_it(
    tmp_path: Path, study: tuple[Path, Laboratory], moved
) -> None:
    folder, lab = study
    moved(folder, tmp_path / "there")
    order = resumed(lab, tmp_path / "there")
    last = tmp_path / "there" / "checkpoints" / "trial-0000" / "epoch-0002"
    assert order.checkpoint == Checkpoint(str(last), 2, 1)
    assert order.folder == str(last.parent)
    assert [s.start_epoch for s in lab.ledger.trials[0].segments] == [0, 2]
    lab.run()
    assert [trial.epoch for trial in lab.ledger.trials] == [4, 4, 2, 4]


def test_a_checkpoint_that_is_gone_means_from_the_start(
    tmp_path: Path, study: tuple[Path, Laboratory]
) -> None:
    folder, lab = study
    shutil.rmtree(folder / "checkpoints" / "trial-0000")
    assert resumed(lab, folder).checkpoint is None
    assert [s.start_epoch for s in lab.ledger.trials[0].segments] == [0, 0]
    lab.run()
    assert [o.epoch for o in lab.ledger.trials[0].observations] == [1, 2, 3, 4]


def test_a_record_with_absolute_paths_is_read_by_what_lies_beside_it(tmp_path: Path) -> None:
    ours, theirs = (tmp_path / one / "checkpoints" / "trial-0007" for one in ("ours", "theirs"))
    for folder in (ours, theirs):
        (folder / "epoch-0003").mkdir(parents=True)
    old = Checkpoint(str(theirs / "epoch-0003"), 3, 1)
    shelf = Shelf(tmp_path / "ours" / "checkpoints")
    assert shelf.find(old) == replace(old, uri=str(ours / "epoch-0003"))
    assert shelf.holds(old)
    shutil.rmtree(ours)
    assert shelf.find(old) is None
