"""Whether a gang still moves: its workers' pulses, and how long they may be still. No Ray in here.

A worker's pulse is raised at every batch by the thread that trains, and read from another. When
one worker stops taking part in a collective the others wait for it, so a gang hangs when none of
its pulses moves any more.
Unusual: outside of batches (building, loading, saving) there is no pulse, and more patience.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True)
class Patience:
    """Seconds without a pulse after which a gang counts as hung."""

    elsewhere_s: float = 600.0
    """Outside of batches and in the first one, where networks are read, kernels built, NCCL and
    processes started, checkpoints written."""
    batches_s: float = 120.0
    """Between batches, evaluation included, at least."""
    pauses: float = 20.0
    """Between batches as well, in units of the longest pause that the worker has seen."""
    look_s: float = 5.0
    """Pulses are looked at so often while a gang does not answer."""


PATIENCE = Patience()


@dataclass(frozen=True)
class Beat:
    """A pulse as it was read."""

    count: int
    still_s: float
    """How long it may stay at this count."""


class Pulse:
    """Of one worker; what it learnt about pauses carries over from trial to trial."""

    def __init__(self, patience: Patience, *, clock: Callable[[], float] = monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._count = 0
        self._beaten_at: float | None = None
        self._longest_s = 0.0

    def beat(self) -> None:
        """A batch is done."""
        now = self._clock()
        if self._beaten_at is not None:
            self._longest_s = max(self._longest_s, now - self._beaten_at)
        self._beaten_at = now
        self._count += 1

    def rest(self) -> None:
        """Something else than batches begins."""
        self._beaten_at = None
        self._count += 1

    def read(self) -> Beat:
        """From any thread."""
        if self._beaten_at is None:
            return Beat(self._count, self._patience.elsewhere_s)
        pause_s = self._patience.pauses * self._longest_s
        return Beat(self._count, max(self._patience.batches_s, pause_s))


class Vigil:
    """Over a gang, from an order to its answer."""

    def __init__(self, patience: Patience, *, now: float) -> None:
        self._still_s = patience.elsewhere_s
        self._heard: dict[int, Beat] = {}
        self._moved_at = now

    def hear(self, beats: Mapping[int, Beat], *, now: float) -> None:
        """Notes what was read of the workers that answered, by rank; `now` in s of one clock."""
        if any(self._heard.get(rank) != beat for rank, beat in beats.items()):
            self._moved_at = now
        self._heard |= beats
        # What a worker said last may be out of date: those that answer know what the gang is at.
        self._still_s = max((beat.still_s for beat in beats.values()), default=self._still_s)

    def still_too_long(self, now: float) -> bool:
        """Whether the gang hangs."""
        return now - self._moved_at > self._still_s
