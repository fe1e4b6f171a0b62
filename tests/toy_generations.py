"""Toy studies whose texts say what they are, and a driver of one gang that trains any of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w
from toy_ledger import PROVENANCE, STUDY, epochs, journal

from mmsearch.sampling import Ledger, open_ledger
from mmsearch.space import Branch, Choice, IntUniform, LogUniform, Space, ZeroOrLogUniform
from mmsearch.study import Study
from mmsearch.trial import Checkpoint, Completed, Record, Segment, Stopped, Trial, Verdict

WIDER = Space(
    {
        "rate": LogUniform(1e-5, 1e-1),
        "weight": ZeroOrLogUniform(1e-3, 1.0),
        "width": Choice((16, 32, 64, 128)),
        "fusion": Branch(
            {
                "concat": Space({}),
                "low_rank": Space({"rank": IntUniform(2, 16)}),
                "gated": Space({"bias": Choice(("none", "full"))}),
            }
        ),
    }
)
"""The toy space with a wider range, a value more and an arm more."""
NARROWER = Space({"rate": LogUniform(1e-3, 1e-1), "width": Choice((32, 64))})
"""The toy space with a narrower range, a value less, and two parameters less."""


def study(*, trials: int = 6, max_epochs: int = 5, **changes: Any) -> Study:
    """The toy study; `changes` are fields of it."""
    budget = replace(STUDY.budget, trials=trials, max_epochs=max_epochs)
    made = replace(STUDY, budget=budget, **changes)
    scheduler = {key: getattr(made.scheduler, key) for key in ("kind", "first_rung", "reduction")}
    text = {
        "seed": made.seed,
        "budget": {"trials": trials, "max_epochs": max_epochs},
        "scheduler": scheduler,
        "space": made.space.table(),
    }
    return replace(made, text=tomli_w.dumps(text))


def opened(
    folder: Path,
    asked: Study,
    *,
    resume: bool = True,
    held: tuple[str, ...] = (),
    facts: Mapping[str, Any] = PROVENANCE,
) -> Ledger:
    """The ledger of a study in a folder; `held` are the checkpoints that are still there."""
    return open_ledger(
        journal(folder),
        asked,
        provenance=facts,
        resume=resume,
        holds=lambda checkpoint: checkpoint.uri in held,
    )


def value(trial: Trial, epoch: int) -> float:
    """Depends on number and epoch so that halving stops some trials and lets others by."""
    return 0.1 * ((trial.number * 7) % 5) + 1.0 / epoch


def drive(ledger: Ledger) -> None:
    """Trains every trial of the budget, an epoch at a time, with a checkpoint at every end."""
    full = ledger.study.budget.max_epochs
    while waiting := ledger.waiting() or tuple(filter(None, [ledger.propose()])):
        trial = waiting[0]
        ledger.begin(trial.number, Segment("host", trial.epoch, 0.0))
        for epoch in range(trial.epoch + 1, full + 1):
            last = Completed() if epoch == full else None
            verdict = ledger.observe(
                trial.number,
                epochs(epoch, value(trial, epoch)),
                checkpoint=Checkpoint(uri(trial.number), epoch, 1) if last else None,
                ending=last,
            )
            if last:
                ledger.close(trial.number, last)
            elif verdict is Verdict.STOP:
                ledger.close(trial.number, Stopped(max(ledger.trial(trial.number).rungs)))
                break


def uri(number: int) -> str:
    """The checkpoint of a completed trial."""
    return f"checkpoints/trial-{number:04d}/last"


def state_of(trials: tuple[Trial, ...]) -> list[str]:
    """How each trial stands, in a word."""
    return [
        f"stopped {t.state.rung}"
        if isinstance(t.state, Stopped)
        else type(t.state).__name__.lower()
        for t in trials
    ]


def timeless(record: Record) -> list[Trial]:
    """What must not depend on the number of sittings."""
    return [replace(t, segments=(), started_at=None, ended_at=None) for t in record.trials]
