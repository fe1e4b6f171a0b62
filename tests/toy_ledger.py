"""A small study with a branch, and short ways to say what happens to its trials."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsearch.sampling import Ledger, open_ledger
from mmsearch.space import Branch, Choice, IntUniform, LogUniform, Space, Uniform, ZeroOrLogUniform
from mmsearch.study import Budget, Objective, Sampler, Scheduler, Study
from mmsearch.trial import Completed, Observation, Segment, Verdict

PROVENANCE = {"commit": "abc", "fingerprints": {"data": "d0"}, "versions": {"torch": "2"}}

SPACE = Space(
    {
        "rate": LogUniform(1e-4, 1e-1),
        "weight": ZeroOrLogUniform(1e-3, 1.0),
        "width": Choice((16, 32, 64)),
        "fusion": Branch({"concat": Space({}), "low_rank": Space({"rank": IntUniform(2, 16)})}),
    }
)

STUDY = Study(
    name="toy",
    method="toy",
    dataset="toys",
    seed=7,
    objective=Objective("valid/mae", "minimize"),
    budget=Budget(trials=50, max_epochs=9),
    space=SPACE,
    published={
        "rate": 1e-2,
        "weight": 0.0,
        "width": 32,
        "fusion": {"kind": "concat"},
        "layers": (1, 2),
        "clip": None,
    },
    text="name = 'toy'\n",
    scheduler=Scheduler("halving", first_rung=2, reduction=2),
    sampler=Sampler("random"),
)
"""Rungs at epochs 2, 4 and 8 of 9."""
RATES = replace(
    STUDY, space=Space({"rate": Uniform(0.0, 1.0)}), published={"rate": 0.5}, sampler=Sampler("tpe")
)
"""One number between 0 and 1, sought by TPE."""


def journal(folder: Path) -> str:
    return f"journal://{folder / 'study.journal'}"


def start(folder: Path, study: Study = STUDY) -> Ledger:
    return open_ledger(journal(folder), study, provenance=PROVENANCE, resume=False)


def resume(
    folder: Path, study: Study = STUDY, provenance: Mapping[str, Any] = PROVENANCE
) -> Ledger:
    return open_ledger(journal(folder), study, provenance=provenance, resume=True)


def epochs(first: int, *values: float) -> list[Observation]:
    """Observations from epoch `first` on; the objective takes these values."""
    return [
        Observation(epoch, {"valid/mae": value, "train/loss": 1.0}, 0.5)
        for epoch, value in enumerate(values, start=first)
    ]


def begin(ledger: Ledger) -> int:
    """Proposes a trial that a gang takes at once."""
    trial = ledger.propose()
    assert trial is not None
    ledger.begin(trial.number, Segment("host", 0, 100.0))
    return trial.number


def train(ledger: Ledger, *values: float) -> Verdict:
    """A whole trial: observed once, and closed as completed."""
    number = begin(ledger)
    verdict = ledger.observe(number, epochs(1, *values))
    ledger.close(number, Completed())
    return verdict
