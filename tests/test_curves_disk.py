"""Curves on a disk that is full for a while: what was left out is drawn when there is room."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from toy_curves import METRICS, Page, a_trial, curves_of, points, seen
from toy_disks import small_disk

from mmsearch.curves import Curves, events
from mmsearch.trial import Completed, Observation, Record, Trial


def grown(trial: Trial, observation: Observation) -> Trial:
    """The trial with one more epoch on record, where training curves are not kept."""
    metrics = {name: observation.metrics[name] for name in METRICS}
    recorded = Observation(observation.epoch, metrics, observation.train_seconds)
    return replace(trial, observations=(*trial.observations, recorded))


def record(trial: Trial) -> Record:
    return Record("toy", "valid/mae", "minimize", "", {}, (trial,))


def expect_whole(folder: Path) -> None:
    assert points(folder, "valid/mae") == [(epoch, 1 - epoch / 10) for epoch in range(1, 7)]
    assert points(folder, "train/loss") == [(epoch, float(epoch)) for epoch in range(1, 7)]
    page = Page(folder)
    assert page.values("trial-0000")["objective"] == pytest.approx(0.4)
    assert page.status("trial-0000") == "STATUS_SUCCESS"
    assert {"dropout", "batch_size"} <= {info.name for info in page.experiment().hparam_infos}


class Failing:
    """Takes so many bytes of each write that is to fail, then says that the disk is full."""

    def __init__(self, failing: set[int], taken: int) -> None:
        self._failing = failing
        self._taken = taken
        self._append = events.append
        self.writes = 0

    def append(self, path: Path, more: Iterable[Event]) -> None:
        self.writes += 1
        before = path.stat().st_size if path.exists() else 0
        self._append(path, more)
        if self.writes in self._failing:
            with path.open("r+b") as file:
                file.truncate(min(before + self._taken, path.stat().st_size))
            raise OSError(28, "No space left on device")


def draw(curves: Curves, trial: Trial) -> int:
    """A whole trial of six epochs, drawn as far as the disk takes it; how often it did not."""
    failures = 0

    def attempt(call: object, *arguments: object) -> None:
        nonlocal failures
        try:
            call(*arguments)
        except OSError:
            failures += 1

    attempt(curves.began, trial)
    for epoch in range(1, 7):
        observation = seen(epoch, 1 - epoch / 10, loss=float(epoch))
        trial = grown(trial, observation)
        attempt(curves.observed, trial, [observation])
    trial = replace(trial, state=Completed(), ended_at=7.0)
    attempt(curves.ended, trial)
    curves.catch_up(record(trial))
    return failures


@pytest.mark.parametrize("taken", [0, 11, 10**6], ids=["none of it", "a part", "all of it"])
@pytest.mark.parametrize(
    "failing",
    [{1}, {2}, {3}, {4, 5}, {1, 2, 3, 4}, {8}, {9}, set(range(2, 10)), {1, 3, 5, 7}],
    ids=str,
)
def test_whichever_writes_fail_all_curves_are_whole_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: set[int], taken: int
) -> None:
    disk = Failing(failing, taken)
    monkeypatch.setattr(events, "append", disk.append)
    assert draw(curves_of(tmp_path), a_trial()) > 0
    expect_whole(tmp_path)


def test_a_disk_that_is_really_full_is_caught_up_with_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        curves, trial = curves_of(disk.path / "tensorboard"), a_trial()
        disk.fill()
        with pytest.raises(OSError, match="No space left on device"):
            curves.began(trial)
        for epoch in range(1, 7):
            observation = seen(epoch, 1 - epoch / 10, loss=float(epoch))
            trial = grown(trial, observation)
            with pytest.raises(OSError, match="No space left on device"):
                curves.observed(trial, [observation])
        assert not list(disk.path.glob("tensorboard/trial-0000/*"))
        disk.free()
        curves.ended(replace(trial, state=Completed(), ended_at=7.0))
        expect_whole(disk.path / "tensorboard")


def test_another_sitting_tells_the_columns_that_a_full_disk_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(events, "append", Failing({1}, 0).append)
        with pytest.raises(OSError, match="No space left"):
            curves_of(tmp_path).began(a_trial())
    assert not list((tmp_path / "trial-0000").iterdir())
    assert draw(curves_of(tmp_path), a_trial()) == 0
    expect_whole(tmp_path)
