"""What the driver and the gangs say to each other: orders one way, reports the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmsearch.seeds import Seed
from mmsearch.trial import Checkpoint, Failed, Loss, Observation


@dataclass(frozen=True)
class Begin:
    """Start a segment: build this trial, from its checkpoint if it has one, and train a stretch."""

    number: int
    config: Mapping[str, Any]
    seed: Seed
    checkpoint: Checkpoint | None
    folder: str
    """Where the trial's checkpoints go."""
    log: str
    """File that takes what the engines print."""
    thrift: int = 0
    """How often memory ran out since that checkpoint: by so many plans the trial is thriftier."""
    bar: float | None = None
    """The objective that the trial must not miss to be saved when it completes: the incumbent's.
    None where it is to be saved in any case."""


@dataclass(frozen=True)
class Go:
    """Train the next stretch of the trial at hand."""


@dataclass(frozen=True)
class Save:
    """Write a checkpoint of the trial at hand now, train nothing."""


@dataclass(frozen=True)
class Finish:
    """The study needs this gang no more."""


Order = Begin | Go | Save | Finish


@dataclass(frozen=True)
class Ready:
    """A gang has its place on the machines and waits for its first order."""

    node: str
    """Names of its machines."""
    ids: frozenset[str] = frozenset()
    """By which Ray knows them."""


@dataclass(frozen=True)
class Trouble:
    """A file of the study that a worker cannot write; training goes on without it."""

    what: str
    """`checkpoints` or `logs`."""
    why: str


@dataclass(frozen=True)
class Stretch:
    """What came of one order: some epochs, never past a rung."""

    number: int
    observations: tuple[Observation, ...] = ()
    finished: bool = False
    """Full fidelity or patience."""
    failed: Failed | None = None
    """The trial's own fault; a broken gang is `Broken`."""
    checkpoint: Checkpoint | None = None
    """Written at the end of this stretch."""
    troubles: tuple[Trouble, ...] = ()
    again: bool = False
    """Whether it failed for want of memory and there is a thriftier plan for it."""


@dataclass(frozen=True)
class Broken:
    """The workers of the gang are lost, and with them the segment; it builds itself anew."""

    number: int
    message: str
    loss: Loss = "lost"


Report = Ready | Stretch | Broken
