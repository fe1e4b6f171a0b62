"""`mmsearch show`: how a study stands, or one trial of it, as lines of text."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mmsearch.report import Summary, describe_trial, published_shape, state_name, summary
from mmsearch.study import Study
from mmsearch.trial import Failed, Record, Stopped, Trial, has_value

BARS = "▁▂▃▄▅▆▇█"
TOP = 10
"""Trials that a study's standing lists."""


def study_lines(record: Record, study: Study) -> Iterator[str]:
    """A study's standing: what it searches, what it has spent, its best trials."""
    counts = summary(record)
    told = ", ".join(f"{number} {state}" for state, number in counts.counts.items() if number)
    epochs = sum(trial.epoch for trial in record.trials)
    yield f"{record.name}: {study.method} on {study.dataset}, seed {study.seed}"
    yield f"  objective   {record.direction} {record.metric}"
    yield f"  trials      {told or 'none'}, of {study.budget.trials}"
    yield f"  spent       {epochs} epochs, {counts.train_seconds:.0f} s of training"
    yield from _incumbent(counts)
    failed = [trial for trial in record.trials if isinstance(trial.state, Failed)]
    for trial in failed[:TOP]:
        assert isinstance(trial.state, Failed)
        yield f"  failed      trial {trial.number}: {_reason(trial.state)}"
    if len(failed) > TOP:
        yield f"  failed      and {len(failed) - TOP} more"
    for trial in record.ranking[:TOP]:
        mark = " (published)" if trial.published else ""
        yield f"  {trial.value:>10.4f}  trial {trial.number}{mark}  {describe_trial(trial)}"


def trial_lines(record: Record, trial: Trial, *, folder: Path | None) -> Iterator[str]:
    """One trial: how it stands, its curve, its segments, why it failed, its configuration."""
    name = "  (published)" if trial.published else ""
    yield f"trial {trial.number} of {record.name}: {_state(trial)}{name}"
    if has_value(trial):
        yield f"  value       {record.metric} {trial.value!r} at epoch {trial.value_epoch}"
    yield f"  trained     {trial.epoch} epochs, {trial.train_seconds:.1f} s"
    values = [one.metrics.get(record.metric, float("nan")) for one in trial.observations]
    if values:
        low, high = min(values), max(values)
        yield f"  curve       {sparkline(values)}  {record.metric}, {low:.4g} to {high:.4g}"
    if trial.rungs:
        told = ", ".join(f"{value:.4f} at epoch {rung}" for rung, value in trial.rungs.items())
        yield f"  rungs       {told}"
    for segment in trial.segments:
        moment = datetime.fromtimestamp(segment.started_at, tz=UTC).isoformat(" ", "seconds")
        yield f"  segment     on {segment.node} from epoch {segment.start_epoch}, {moment}"
    if trial.attempts:
        yield f"  lost        {trial.attempts} gangs"
    if folder is not None:
        log = folder / "logs" / f"trial-{trial.number:04d}.log"
        yield f"  log         {log}{'' if log.exists() else ' (not there)'}"
    if isinstance(trial.state, Failed):
        yield f"  failed      {_reason(trial.state)}"
        yield from (f"              {line}" for line in trial.state.message.splitlines()[1:])
    yield ""
    yield published_shape(trial.config).rstrip()


def sparkline(values: Sequence[float], *, width: int | None = None) -> str:
    """Values as bars of eight heights, the lowest value lowest; `?` where there is no number.

    Args:
        values: one an epoch.
        width: most characters; of more values, evenly spread ones are drawn. None asks the
            terminal.
    """
    most = width or max(10, shutil.get_terminal_size().columns - 60)
    step = max(1, -(-len(values) // most))
    drawn = values[::step]
    real = [value for value in drawn if value == value and abs(value) != float("inf")]  # noqa: PLR0124
    low, high = (min(real), max(real)) if real else (0.0, 0.0)
    return "".join(_bar(value, low, high) if value in real else "?" for value in drawn)


def _bar(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.5
    return BARS[round(share * (len(BARS) - 1))]


def _incumbent(counts: Summary) -> Iterator[str]:
    if counts.incumbent is None or not has_value(counts.incumbent):
        yield "  incumbent   none: no trial has completed yet"
        return
    told = f"{counts.incumbent.value:.4f}, trial {counts.incumbent.number}"
    if counts.incumbent.published:
        told += ", the published configuration"
    elif counts.lead is not None:
        word = "better" if counts.lead.absolute >= 0 else "worse"
        told += f", {abs(counts.lead.absolute):.4f} {word} than the published configuration"
    yield f"  incumbent   {told} (one seed: optimistic)"


def _state(trial: Trial) -> str:
    at = f" at epoch {trial.state.rung}" if isinstance(trial.state, Stopped) else ""
    return state_name(trial.state) + at


def _reason(state: Failed) -> str:
    first = next(iter(state.message.splitlines()), "")
    return f"{state.reason}: {first}" if first else state.reason
