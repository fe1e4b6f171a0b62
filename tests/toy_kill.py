"""The disk at every moment a driver can be killed at, and what a record says was decided."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from toy_ledger import journal

from mmsearch.sampling import entries, halving, proposals
from mmsearch.sampling import journal as journal_module
from mmsearch.sampling.ahead import are_short
from mmsearch.sampling.book import PREFIX, books, plain
from mmsearch.sampling.entries import Entry
from mmsearch.sampling.promotion import Standings
from mmsearch.sampling.storage import reading
from mmsearch.study import Study
from mmsearch.trial import Running, Trial, Verdict

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

    Left out is what a kill may add: segments, checkpoints of epochs that are on record, times, and
    the numbers and seals of entries, which follow from those.

    Args:
        folder: of the study.
        only_rungs: leaves out, too, what depends on observations between rungs.
    """
    hidden = {"event", "started_at", "ended_at", "nth", "seal"}
    if only_rungs:
        hidden |= {"seen", "epochs", "value", "value_epoch", "checkpoint", "ending"}
    return [
        (number, key.partition("/")[0], {k: v for k, v in content.items() if k not in hidden})
        for number, key, content in _told(folder)
        if not _is_left_out(key, content, only_rungs=only_rungs)
    ]


def assert_replays(folder: Path, study: Study, *, gangs: int) -> None:
    """Every decision on record is the one that follows from what was on record before it.

    A proposal is made as soon as there are fewer live trials than gangs, so no epoch is observed
    while one is due. Where trials are short it was made ahead, right after the one before.
    """
    trials: list[Trial] = []
    basis: list[Trial] = []
    for number, key, content in _told(folder):
        if key == "proposal":
            known = basis if are_short(basis) else trials
            assert content["config"] == plain(proposals.propose(study, known))
            trials.append(entries.proposal(number, content))
            basis = [*trials]
            continue
        trial = trials[number]
        if key.startswith("observations"):
            live = sum(isinstance(other.state, Running) for other in trials)
            assert live == gangs or len(trials) == study.budget.trials
            rungs = {int(rung): own for rung, own in content["rungs"].items()}
            judged = rungs and not content["ending"] and not trial.published
            verdict = _verdict(study, trials, number, rungs) if judged else Verdict.CONTINUE
            assert content["stop"] == (verdict is Verdict.STOP)
            assert content["pause"] == (verdict is Verdict.PAUSE)
        elif key.startswith("promoted"):
            assert Standings(study, trials).promoted() == number
        trials[number] = entries.applied(trial, Entry(key, content))


def _verdict(study: Study, trials: list[Trial], number: int, rungs: dict[int, float]) -> Verdict:
    if study.scheduler.kind == "promotion":
        now = replace(trials[number], rungs={**trials[number].rungs, **rungs})
        others = [trial for trial in trials if trial.number != number]
        return Standings(study, [*others, now]).judge(number)
    verdicts = [
        halving.decide(
            own,
            sorted(halving.reached(trials, rung).values()),
            reduction=study.scheduler.reduction,
            direction=study.objective.direction,
        )
        for rung, own in rungs.items()
    ]
    return Verdict.STOP if Verdict.STOP in verdicts else Verdict.CONTINUE


def _told(folder: Path) -> list[tuple[int, str, dict[str, Any]]]:
    """All proposals and entries of a record by trial, in the order in which they were written."""
    with reading(journal(folder)) as store, store.reading() as storage:
        (book,) = books(store)
        trials = storage.get_all_trials(book._study_id)
    told = [(trial.number, "proposal", trial.user_attrs) for trial in trials]
    told += [
        (trial.number, key.removeprefix(PREFIX), content)
        for trial in trials
        for key, content in trial.system_attrs.items()
        if key.startswith(PREFIX)
    ]
    return sorted(told, key=lambda entry: entry[2]["event"])


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
