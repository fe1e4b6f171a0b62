"""What the record says of a trial: its proposal, then one entry for each thing that happened.

Unusual: an entry is written whole by a single write, and a trial is nothing but its proposal with
its entries applied in the order of their events. The ledger in memory and a record that is read
again go through the same `applied`, so they cannot differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmsearch.seeds import Seed
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Ending,
    Failed,
    Loss,
    Observation,
    Paused,
    Running,
    Segment,
    Stopped,
    Trial,
    Verdict,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One thing that happened to a trial."""

    key: str
    """`segments/<n>`, `observations/<first epoch>`, `checkpoint`, `attempts`, `promoted` or
    `ending`."""
    content: Json
    """Survives JSON unchanged."""


def proposed(trial: Trial) -> Json:
    """The proposal of a trial: what is known before anything happened to it."""
    return {
        "config": trial.config,
        "coordinates": trial.coordinates,
        "seed": asdict(trial.seed),
        "published": trial.published,
        "seen": trial.seen,
        "started_at": trial.started_at,
    }


def proposal(number: int, content: Mapping[str, Any]) -> Trial:
    """The trial that `proposed` wrote down.

    Raises:
        LookupError, TypeError: written by something else.
    """
    return Trial(
        number=number,
        config=content["config"],
        coordinates=content["coordinates"],
        seed=Seed(**content["seed"]),
        seen=content["seen"],
        started_at=content["started_at"],
    )


def began(trial: Trial, segment: Segment) -> Entry:
    """A gang took the trial."""
    return Entry(f"segments/{len(trial.segments)}", asdict(segment))


@dataclass(frozen=True)
class Stretch:
    """Epochs that were trained since the last entry, and what follows from them."""

    observations: tuple[Observation, ...]
    value: float
    value_epoch: int
    rungs: Mapping[int, float]
    """Objective at each rung that was reached in these epochs."""
    verdict: Verdict
    """What the scheduler said."""


def observed(
    stretch: Stretch, checkpoint: Checkpoint | None, ending: Ending | None = None
) -> Entry:
    """Epochs were trained; a checkpoint may come with them, and what the trial ends with."""
    content: Json = {
        "epochs": [[o.epoch, o.train_seconds, dict(o.metrics)] for o in stretch.observations],
        "value": stretch.value,
        "value_epoch": stretch.value_epoch,
        "rungs": _rungs(stretch.rungs),
        "stop": stretch.verdict is Verdict.STOP,
        "pause": stretch.verdict is Verdict.PAUSE,
        "checkpoint": asdict(checkpoint) if checkpoint else None,
        "ending": _told(ending) if ending else None,
    }
    return Entry(f"observations/{stretch.observations[0].epoch}", content)


def saved(checkpoint: Checkpoint, ending: Ending | None = None) -> Entry:
    """A checkpoint was written, and no epoch is new; the trial may end with it."""
    content = {"checkpoint": asdict(checkpoint), "ending": _told(ending) if ending else None}
    return Entry("checkpoint", content)


def promoted() -> Entry:
    """A paused trial was taken up again."""
    return Entry("promoted", {})


def attempted(attempts: int, loss: Loss) -> Entry:
    """A gang was lost, and the trial may be tried again."""
    return Entry("attempts", {"attempts": attempts, "loss": loss})


def ended(ending: Ending, *, ended_at: float, attempts: int) -> Entry:
    """The trial has its ending."""
    return Entry("ending", {**_told(ending), "ended_at": ended_at, "attempts": attempts})


def undecided(entry: Entry) -> Entry:
    """An entry of a trial, without the ending that followed from it."""
    content = {k: v for k, v in entry.content.items() if k not in {"stop", "ending"}}
    return Entry(entry.key, content)


def at_rungs(entry: Entry, rungs: Mapping[int, float]) -> Entry:
    """Epochs as `observed` wrote them down, with what they reached at other rungs."""
    return Entry(entry.key, {**entry.content, "rungs": _rungs(rungs)})


def stopped_instead(entry: Entry, *, rung: int) -> Entry:
    """An ending as `ended` wrote it down, of a trial that counts as stopped."""
    return Entry(entry.key, {**entry.content, "kind": "stopped", "rung": rung})


def applied(trial: Trial, entry: Entry) -> Trial:
    """The trial after this entry.

    Raises:
        LookupError, TypeError, ValueError: written by something else.
    """
    content = entry.content
    match entry.key.partition("/")[0]:
        case "segments":
            segment = Segment(content["node"], content["start_epoch"], content["started_at"])
            return replace(trial, segments=(*trial.segments, segment))
        case "observations":
            rungs = dict(trial.rungs) | {int(k): v for k, v in content["rungs"].items()}
            return replace(
                _with_checkpoint(trial, content),
                observations=trial.observations + tuple(_observations(content["epochs"])),
                value=content["value"],
                value_epoch=content["value_epoch"],
                rungs=rungs,
                state=Paused(max(rungs)) if content.get("pause") else trial.state,
            )
        case "promoted":
            return replace(trial, state=Running())
        case "checkpoint":
            return _with_checkpoint(trial, content)
        case "attempts":
            loss = content.get("loss", "lost")
            return replace(trial, attempts=content["attempts"], loss=loss)
        case "ending":
            return replace(
                trial,
                state=_ending(content),
                ended_at=content["ended_at"],
                attempts=content["attempts"],
            )
        case other:
            raise LookupError(other)


def decided(trial: Trial, entries: Iterable[Entry]) -> Ending | None:
    """The ending that followed from what was written of a trial, whatever has become of it."""
    for entry in entries:
        if entry.content.get("ending"):
            return _ending(entry.content["ending"])
        if entry.content.get("stop"):
            return Stopped(rung=max(trial.rungs))
    return None


def _rungs(rungs: Mapping[int, float]) -> Json:
    return {str(rung): value for rung, value in rungs.items()}


def _with_checkpoint(trial: Trial, content: Json) -> Trial:
    checkpoint = content["checkpoint"]
    return replace(trial, checkpoint=Checkpoint(**checkpoint)) if checkpoint else trial


def _observations(epochs: Iterable[tuple[int, float, dict[str, float]]]) -> Iterable[Observation]:
    return (Observation(epoch, metrics, seconds) for epoch, seconds, metrics in epochs)


def _told(ending: Ending) -> Json:
    return {"kind": type(ending).__name__.lower(), **asdict(ending)}


def _ending(content: Json) -> Ending:
    match content["kind"]:
        case "completed":
            return Completed()
        case "stopped":
            return Stopped(content["rung"])
        case "failed":
            return Failed(content["reason"], content["message"])
        case other:
            raise LookupError(other)
