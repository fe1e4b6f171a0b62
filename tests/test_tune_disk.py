"""Real searches whose files find no room, and whose database goes down under them."""

import re
import subprocess
from pathlib import Path

import pytest
from test_tune import SMALL, command, record, tune, wait_for
from toy_disks import small_disk
from toy_postgresql import running

from mmsearch import sampling
from mmsearch.errors import StorageError
from mmsearch.trial import Record

STARTING = 300.0
"""Seconds that a real search may take to come up beside others."""


def ended(found: Record) -> list[int]:
    return [trial.number for trial in found.trials if trial.ended]


@pytest.mark.slow
def test_no_room_for_checkpoints_and_curves_ends_no_study(tmp_path: Path) -> None:
    folder = tmp_path / "selfmi"
    with (
        small_disk(folder / "checkpoints", kilobytes=256),
        small_disk(folder / "tensorboard", kilobytes=12) as curves,
    ):
        done = tune(tmp_path, "--trials", "4", *SMALL)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ended(record(tmp_path)) == [0, 1, 2, 3]
        for what in ("checkpoints", "curves"):
            told = f"{what} cannot be written (No space left on device); the search goes on"
            assert len(re.findall(re.escape(told), done.stdout)) == 2  # When it is, and at the end.
        assert not list((folder / "checkpoints").glob("trial-*/*"))
        assert "checkpoint" not in (folder / "best.toml").read_text()
        assert "Traceback" not in done.stdout + done.stderr
        assert any(curves.path.glob("trial-*/*"))


@pytest.mark.slow
def test_no_room_in_the_folder_of_a_study_ends_it_not_while_there_is_room_for_its_record(
    tmp_path: Path,
) -> None:
    storage = f"journal://{tmp_path / 'study.journal'}"
    with small_disk(tmp_path / "out" / "selfmi") as disk:
        disk.fill()
        done = tune(tmp_path, "--out", "out", "--storage", storage, "--trials", "2", *SMALL)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ended(sampling.read(storage)) == [0, 1]
        for what in ("tables", "report"):
            assert f"{what} cannot be written (No space left on device)" in done.stdout
        disk.free()
        again = tune(tmp_path, "--out", "out", "--storage", storage, "--trials", "2", *SMALL)
        assert again.returncode == 0, again.stdout + again.stderr
        assert (disk.path / "trials.csv").read_text().count("\n") == 3


@pytest.mark.slow
def test_a_database_that_goes_down_under_a_search_loses_nothing(tmp_path: Path) -> None:
    with running() as server:
        url = server.create("studies")
        options = ("--storage", url, "--trials", "20", *SMALL)

        def known() -> list[int]:
            try:
                return ended(sampling.read(url, "selfmi"))
            except StorageError:
                return []

        driver = subprocess.Popen(
            command(tmp_path, *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        wait_for(lambda: len(known()) >= 2, timeout_s=STARTING)
        server.crash()
        _, said = driver.communicate(timeout=STARTING)
        server.start()
        assert driver.returncode == 2
        assert "postgresql:///studies: the record cannot be written" in said
        assert "Traceback" not in said
        before = {t.number: t for t in sampling.read(url).trials if t.number in known()}
        done = tune(tmp_path, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        after = sampling.read(url)
        assert ended(after) == list(range(20))
        assert {number: after.trials[number] for number in before} == before
