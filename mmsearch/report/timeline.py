"""When each epoch was trained, and where: what the record's segments and seconds say together.

Unusual: the record keeps when a segment began and how long each epoch took, not when an epoch
ended. So an epoch is dated by its segment's beginning and the seconds trained since: right up to
what starting the segment took, and up to epochs that a lost gang trained and another did again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from mmsearch import provenance
from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Trial, has_value

HOUR = 3600.0


@dataclass(frozen=True)
class Stretch:
    """What one segment trained."""

    trial: int
    node: str
    """Host of the gang's first worker."""
    started_at: float
    """Seconds since 1970 (UTC)."""
    ends: tuple[float, ...]
    """When each of its epochs ended, seconds since 1970 (UTC)."""
    epochs_seconds: tuple[float, ...]
    """What each of its epochs took."""

    @property
    def seconds(self) -> float:
        """Of training."""
        return sum(self.epochs_seconds)


@dataclass(frozen=True)
class Point:
    """A trial that completed, and all that the study had spent by then."""

    trial: int
    value: float
    trials: int
    """That had their ending."""
    epochs: int
    """Trained by then over all trials, those still running included."""
    train_hours: float
    """Hours of training on gangs, over all trials."""
    wall_hours: float
    """Since the first trial was proposed, pauses between sittings included."""


def stretches(trial: Trial) -> tuple[Stretch, ...]:
    """A trial's segments with the epochs they trained, in order."""
    starts = [segment.start_epoch for segment in trial.segments]
    taken: list[list[float]] = [[] for _ in starts]
    for observation in trial.observations:
        before = [index for index, start in enumerate(starts) if start < observation.epoch]
        if before:
            taken[before[-1]].append(observation.train_seconds)
    return tuple(
        Stretch(
            trial=trial.number,
            node=segment.node,
            started_at=segment.started_at,
            ends=tuple(accumulate(seconds, initial=segment.started_at))[1:],
            epochs_seconds=tuple(seconds),
        )
        for segment, seconds in zip(trial.segments, taken, strict=True)
    )


def progress(record: Record) -> tuple[Point, ...]:
    """Every completed trial with what was spent until then, in the order of their endings."""
    began = min((t.started_at for t in record.trials if t.started_at is not None), default=0.0)
    trained = sorted(
        pair
        for trial in record.trials
        for stretch in stretches(trial)
        for pair in zip(stretch.ends, stretch.epochs_seconds, strict=True)
    )
    ended = sorted(
        ((trial.ended_at, trial.number, trial) for trial in record.trials if trial.ended_at),
        key=lambda row: row[:2],
    )
    points: list[Point] = []
    seen, seconds = 0, 0.0
    for rank, (moment, number, trial) in enumerate(ended, start=1):
        while seen < len(trained) and trained[seen][0] <= moment:
            seconds += trained[seen][1]
            seen += 1
        if isinstance(trial.state, Completed) and has_value(trial):
            wall = (moment - began) / HOUR
            value = trial.value or 0.0
            points.append(Point(number, value, rank, seen, seconds / HOUR, wall))
    return tuple(points)


def most_at_once(stretched: Iterable[Stretch]) -> int:
    """The largest number of segments that were trained at the same time."""
    changes = sorted(
        change
        for stretch in stretched
        if stretch.ends
        for change in ((stretch.started_at, 1), (stretch.ends[-1], -1))
    )
    most = now = 0
    for _, step in changes:
        now += step
        most = max(most, now)
    return most


def gpus_per_trial(record: Record, study: Study) -> float:
    """GPUs that one trial trains on, as the study asks for or the recorded hardware implies."""
    per_worker = study.resources.gpus_per_worker
    if per_worker is None:
        sittings = provenance.sittings(record.provenance)
        per_worker = float(any(one.get("hardware", {}).get("gpus") for one in sittings))
    return per_worker * study.resources.workers
