"""Trials as plain data: what was observed, how a trial stands, and the record of a whole study.

Unusual: states are types, not flags. `Completed` carries what a completed trial has, `Failed` what
a failed one has, and a stopped trial cannot be mistaken for a completed one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeGuard

from mmsearch.seeds import Seed

Scalar = float | int | str | bool
Direction = Literal["minimize", "maximize"]
Loss = Literal["lost", "hang", "oom"]
"""How a gang came to nothing: it died, it hung, or its machine had no memory left."""
FailureReason = Literal["nan", "error"] | Loss


@dataclass(frozen=True)
class Observation:
    """Named values of one trial after one epoch of training."""

    epoch: int
    """1-based: how many epochs of training the values have seen (their fidelity)."""
    metrics: Mapping[str, float]
    """`valid/<metric>` in original units; `train/<name>` for losses, rates, norms and speed."""
    train_seconds: float
    """Seconds of training and evaluation that this epoch took on the trial's gang."""

    @property
    def valid(self) -> dict[str, float]:
        """Metrics of the split `valid`, by name without `valid/`."""
        prefix = "valid/"
        return {k.removeprefix(prefix): v for k, v in self.metrics.items() if k.startswith(prefix)}


class Verdict(Enum):
    """What the world answers to an observation."""

    CONTINUE = "continue"
    PAUSE = "pause"
    """Save it and train others; it may be taken up again."""
    STOP = "stop"


@dataclass(frozen=True)
class Running:
    """Live, waiting for a gang, or waiting to be resumed."""


@dataclass(frozen=True)
class Paused:
    """Held at a rung; the scheduler may take it up again, and stops it when the study ends."""

    rung: int
    """Epoch of the rung."""


@dataclass(frozen=True)
class Completed:
    """Reached full fidelity, or its own patience ended it."""


@dataclass(frozen=True)
class Stopped:
    """The scheduler said no at a rung."""

    rung: int
    """Epoch of the rung."""


@dataclass(frozen=True)
class Failed:
    """Error, NaN, out of memory; lost, or hung, more often than allowed."""

    reason: FailureReason
    message: str


Ending = Completed | Stopped | Failed
TrialState = Running | Paused | Ending


@dataclass(frozen=True)
class Checkpoint:
    """Where a trial can be resumed from."""

    uri: str
    """Folder that holds it: on record as seen from the study's folder, absolute to a gang."""
    epoch: int
    """Epochs of training it has seen."""
    world_size: int
    """Workers that wrote it."""


def start_epoch(checkpoint: Checkpoint | None) -> int:
    """Epochs that a trial has seen when a segment begins from this checkpoint, or from none."""
    return checkpoint.epoch if checkpoint else 0


@dataclass(frozen=True)
class Segment:
    """A stretch of a trial that one gang trained."""

    node: str
    """Host on which the gang's first worker ran."""
    start_epoch: int
    """Epochs the trial had seen when the segment began."""
    started_at: float
    """Seconds since 1970 (UTC)."""


@dataclass(frozen=True)
class Trial:
    """One configuration trained with one seed up to some fidelity, as the record knows it."""

    number: int
    config: Mapping[str, Any]
    """Complete configuration of the method, nested as in `[published]`."""
    coordinates: Mapping[str, Scalar]
    """The searched part of `config`, flat, by parameter name; absent arms are absent."""
    seed: Seed
    state: TrialState = Running()
    value: float | None = None
    """Objective at the last observed fidelity: of the best epoch so far, or of the last epoch."""
    value_epoch: int | None = None
    """Epoch at which `value` was observed."""
    rungs: Mapping[int, float] = field(default_factory=dict[int, float])
    """Objective at each rung reached, by the rung's epoch."""
    observations: tuple[Observation, ...] = ()
    """`valid/...` metrics of every epoch; training curves are kept by the curves room alone."""
    checkpoint: Checkpoint | None = None
    segments: tuple[Segment, ...] = ()
    attempts: int = 0
    """Segments that ended because a gang was lost."""
    loss: Loss = "lost"
    """How, if it was the same each time."""
    seen: int = 0
    """What the configuration was proposed from: as many proposals, epochs and endings."""
    started_at: float | None = None
    """Seconds since 1970 (UTC) of the proposal."""
    ended_at: float | None = None

    @property
    def published(self) -> bool:
        """Whether this is the paper's configuration: always trial 0."""
        return self.number == 0

    @property
    def ended(self) -> bool:
        """Whether it has its ending, which nothing changes any more."""
        return isinstance(self.state, Ending)

    @property
    def epoch(self) -> int:
        """Epochs of training observed so far."""
        return self.observations[-1].epoch if self.observations else 0

    @property
    def train_seconds(self) -> float:
        """Seconds of training observed so far."""
        return sum(observation.train_seconds for observation in self.observations)


@dataclass(frozen=True)
class Record:
    """A whole study as it stands, independent of the storage it was read from."""

    name: str
    metric: str
    direction: Direction
    study_text: str
    """Resolved study file, TOML."""
    provenance: Mapping[str, Any]
    """Commit, versions, fingerprints of data and code, hardware, seeds: what a paper must say."""
    trials: tuple[Trial, ...]
    """By number."""
    generation: int = 1
    """How often the study was given another space or more epochs, and one."""

    @property
    def ranking(self) -> tuple[Trial, ...]:
        """Completed trials, best first; the lower number wins ties."""
        return tuple(sorted(_completed(self.trials), key=_place(self.direction)))

    @property
    def incumbent(self) -> Trial | None:
        """Best trial so far at full fidelity; None until one has completed."""
        return incumbent(self.trials, self.direction)

    @property
    def published(self) -> Trial | None:
        """Trial 0; None until it was proposed."""
        return self.trials[0] if self.trials else None


def incumbent(trials: Iterable[Trial], direction: Direction) -> Trial | None:
    """The best of these trials that have completed; None if none has."""
    return min(_completed(trials), key=_place(direction), default=None)


def has_value(trial: Trial) -> TypeGuard[Trial]:
    """Whether the objective was observed at least once."""
    return trial.value is not None


def _completed(trials: Iterable[Trial]) -> Iterator[Trial]:
    return (t for t in trials if isinstance(t.state, Completed) and has_value(t))


def _place(direction: Direction) -> Callable[[Trial], tuple[float, int]]:
    """What trials are sorted by, best first; the lower number wins ties."""
    sign = 1.0 if direction == "minimize" else -1.0
    return lambda trial: (sign * (trial.value or 0.0), trial.number)
