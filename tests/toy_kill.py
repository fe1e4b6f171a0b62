"""The disk at every moment a driver can be killed at, and what a record says was decided."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from toy_ledger import journal

from mmsearch.sampling import journal as journal_module
from mmsearch.sampling.book import PREFIX, books
from mmsearch.sampling.storage import reading

JOURNAL = "study.journal"
WRITTEN = (0.0, 0.5, 1.0)
"""Shares of a line that have reached the disk: the kill comes before it, in it, or after it."""


@dataclass(frozen=True)
class Moment:
    """A line that is about to be written, and all files of the study at that time."""

    files: dict[str, bytes]
    line: bytes

    def leave(self, folder: Path, *, written: float) -> None:
        """Makes the study's folder what a kill in this write leaves, Optuna's lock included."""
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with (folder / JOURNAL).open("ab") as file:
            file.write(self.line[: int(written * len(self.line))])
        (folder / f"{JOURNAL}.lock").symlink_to(folder / JOURNAL)


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Nobody waits for the locks of the dead, nor for the disk: a kill is no power failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "PATIENCE_S", 0.0)
        patch.setattr(os, "fsync", lambda _: None)
        yield


@contextmanager
def watched(folder: Path) -> Iterator[list[Moment]]:
    """Every write to the journal in this block."""
    moments: list[Moment] = []
    append = JournalFileBackend.append_logs

    def watching(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        before = _files(folder)
        append(backend, logs)
        line = (folder / JOURNAL).read_bytes()[len(before[JOURNAL]) :]
        moments.append(Moment(before, line))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", watching)
        yield moments


def decisions(folder: Path, *, only_rungs: bool = False) -> list[tuple[int, str, dict[str, Any]]]:
    """All that was decided, in order: proposals, observations with verdicts, losses, endings.

    Left out is what a kill may add: segments, checkpoints of epochs that are on record, times.

    Args:
        folder: of the study.
        only_rungs: leaves out, too, what depends on observations between rungs.
    """
    with reading(journal(folder)) as storage:
        (book,) = books(journal(folder), storage)
        trials = storage.get_all_trials(book._study_id)
    told: list[tuple[int, int, str, dict[str, Any]]] = []
    for trial in trials:
        attributes = trial.user_attrs
        proposal = {key: attributes[key] for key in ("config", "coordinates", "seed", "seen")}
        told.append((attributes["event"], trial.number, "proposal", proposal))
        told += [
            (content["event"], trial.number, key.removeprefix(PREFIX), dict(content))
            for key, content in trial.system_attrs.items()
            if key.startswith(PREFIX)
        ]
    hidden = {"event", "ended_at"}
    if only_rungs:
        hidden |= {"seen", "epochs", "value", "value_epoch", "checkpoint", "ending"}
    return [
        (
            number,
            key.partition("/")[0],
            {name: value for name, value in content.items() if name not in hidden},
        )
        for _, number, key, content in sorted(told, key=lambda entry: entry[0])
        if not _is_left_out(key, content, only_rungs=only_rungs)
    ]


def _is_left_out(key: str, content: dict[str, Any], *, only_rungs: bool) -> bool:
    between = key.startswith("observations") and not content["rungs"]
    return key.startswith(("segments", "checkpoint")) or (only_rungs and between)


def _files(folder: Path) -> dict[str, bytes]:
    """Contents by relative path; what processes lock each other out with is left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".lock", ".driver"))
    }
