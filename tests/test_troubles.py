"""What of a study's files cannot be written: told once, and nothing stops for it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_dispatcher import Laboratory
from toy_disks import small_disk

from mmsearch.cluster.logs import redirect
from mmsearch.cluster.messages import Stretch, Trouble
from mmsearch.cluster.troubles import Troubles
from mmsearch.seeds import Seed
from mmsearch.trial import Observation, Trial

TRIAL = Trial(0, {}, {}, Seed(0, 0))
FULL = "No space left on device"


class Full:
    """A listener whose disk is full."""

    def began(self, trial: Trial) -> None:
        raise OSError(28, FULL)

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        raise OSError(28, FULL)

    def ended(self, trial: Trial) -> None:
        raise OSError(30, "Read-only file system")


def test_a_listener_whose_disk_is_full_is_told_of_once_and_stops_nothing() -> None:
    said: list[str] = []
    troubles = Troubles(said.append)
    listener = troubles.around(Full(), "curves")
    assert "curves" not in troubles
    listener.began(TRIAL)
    listener.observed(TRIAL, [])
    listener.ended(TRIAL)
    assert said == [f"curves cannot be written ({FULL}); the search goes on without"]
    assert troubles.told == tuple(said)
    assert "curves" in troubles


def test_what_is_no_trouble_of_a_disk_is_still_an_error() -> None:
    with pytest.raises(ZeroDivisionError), Troubles().allowed("tables"):
        _ = 1 / 0


def test_a_study_goes_on_where_no_checkpoint_can_be_written(tmp_path: Path) -> None:
    said: list[str] = []
    laboratory = Laboratory(tmp_path, trials=5, gangs=2, troubles=Troubles(said.append))
    while laboratory.mail:
        gang = next(iter(laboratory.mail))
        honest = laboratory.train_or_finish(gang)
        if honest:
            troubled = Stretch(
                honest.number,
                honest.observations,
                honest.finished,
                troubles=(Trouble("checkpoints", FULL), Trouble("logs", FULL)),
            )
            laboratory.dispatcher.reported(gang, troubled)
    assert [trial.epoch for trial in laboratory.ledger.trials] == [4, 4, 2, 4, 4]
    assert [text.partition(" cannot")[0] for text in said] == ["checkpoints", "logs"]


def test_what_a_worker_prints_never_fails_for_want_of_a_disk(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from mmsearch.cluster.logs import redirect, unbreakable\n"
        "unbreakable()\n"
        "assert redirect(Path(sys.argv[1])) is None\n"
        "for _ in range(3000): print('x' * 100)\n"
        "print('y' * 100000, file=sys.stderr, flush=True)\n"
        "assert redirect(Path(sys.argv[2])) is None\n"
        "print('still here')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        logs = (str(disk.path / "trial.log"), str(tmp_path / "next.log"))
        command = [sys.executable, "-c", code, *logs]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert Path(logs[0]).stat().st_size == 64 * 1024
    assert Path(logs[1]).read_text() == "still here\n"


def test_a_log_that_cannot_be_made_is_told_and_what_is_printed_is_lost(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    before = os.dup(1), os.dup(2)
    try:
        why = redirect(tmp_path / "logs" / "trial-0000.log")
        os.write(1, b"lost\n")
    finally:
        for descriptor, kept in zip((1, 2), before, strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)
    assert why == "File exists"
