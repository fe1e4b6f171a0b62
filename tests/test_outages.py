"""A shared disk that is away for a while: nothing is written in its place, and nothing is lost."""

import errno
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from test_tune import SMALL, command, ended, record, wait_for
from toy_disks import small_disk
from toy_ledger import STUDY

from mmsearch import disks, sampling
from mmsearch.disks import Disk
from mmsearch.errors import StorageError


def test_a_folder_that_was_removed_or_moved_is_not_away(tmp_path):
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    disk = Disk(folder)
    assert not disk.is_away()
    folder.rename(tmp_path / "elsewhere")
    assert not disk.is_away()
    shutil.rmtree(tmp_path / "one")
    assert not disk.is_away()


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EHOSTDOWN, errno.ENOTCONN])
def test_what_a_lost_server_says_is_away(tmp_path, monkeypatch, number):
    disk = Disk(tmp_path)

    def gone(_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disks.os, "stat", gone)
    assert disk.is_away()


def test_without_permission_it_is_there(tmp_path, monkeypatch):
    disk = Disk(tmp_path)

    def forbidden(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(disks.os, "stat", forbidden)
    assert not disk.is_away()


def test_a_mount_that_is_gone_is_away_until_it_is_back(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        folder = mounted.path / "studies" / "toy"
        folder.mkdir(parents=True)
        for place in (folder, mounted.path):
            disk = Disk(place)
            assert not disk.is_away()
            with mounted.away():
                assert disk.is_away()
            assert not disk.is_away()


def test_it_is_waited_for_and_the_user_told(tmp_path, monkeypatch):
    now, said = [0.0], list[str]()
    disk = Disk(tmp_path, said.append, clock=lambda: now[0], sleep=now.append)
    answers = [True, True, True, False]
    monkeypatch.setattr(disk, "is_away", lambda: answers.pop(0))
    disk.wait()
    assert len(now) == 3
    assert "is away; waiting" in said[0]
    assert "is back after 0 s" in said[1]


def test_one_that_stays_away_ends_the_search_with_what_to_do(tmp_path, monkeypatch):
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    disk = Disk(tmp_path, clock=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(disk, "is_away", lambda: True)
    with pytest.raises(StorageError, match=r"has been away for 600 s.*the same command goes on"):
        disk.wait()
    assert now[0] == pytest.approx(disks.PATIENCE_S, abs=2)


def test_no_write_of_a_record_begins_while_its_disk_is_away(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        url = f"journal://{mounted.path / 'study.journal'}"
        with sampling.open_ledger(url, STUDY, provenance={}, resume=False) as ledger:
            done: list[object] = []
            writer = threading.Thread(target=lambda: done.append(ledger.propose()))
            with mounted.away():
                writer.start()
                time.sleep(0.5)
                assert not done
                assert not list(mounted.path.iterdir()), "something was left in its place"
            writer.join(timeout=20)
            assert len(done) == 1
        assert len(sampling.read(url).trials) == 1


@pytest.mark.slow
def test_a_search_waits_for_its_disk_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=100_000) as mounted:
        out = mounted.path / "out"
        driver = subprocess.Popen(
            command(out, "--trials", "6", *SMALL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(lambda: ended(out) > 0, timeout_s=300.0)
            with mounted.away():
                time.sleep(8.0)
                assert driver.poll() is None
                assert not list(mounted.path.rglob("*")), "something was left in its place"
            said, _ = driver.communicate(timeout=300)
        finally:
            driver.kill()
            driver.wait()
        assert driver.returncode == 0, said
        assert "is away; waiting for it to come back" in said
        found = record(out)
    assert len(found.trials) == 6
    assert all(trial.ended for trial in found.trials)
    assert sum(trial.attempts for trial in found.trials) == 0
    for trial in found.trials:
        assert [o.epoch for o in trial.observations] == list(range(1, trial.epoch + 1))
