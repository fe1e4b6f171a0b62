"""Where the time of a study went: training, waiting, by state and by node."""

from collections import defaultdict
from dataclasses import dataclass

from mmsearch.report.standing import STATES, state_name
from mmsearch.report.timeline import HOUR, Stretch, most_at_once, stretches
from mmsearch.study import Study
from mmsearch.trial import Record


@dataclass(frozen=True)
class Node:
    """What one machine trained."""

    name: str
    segments: int
    epochs: int
    train_hours: float


@dataclass(frozen=True)
class Spending:
    """Hours and epochs of a whole study."""

    train_hours: float
    """On gangs, over all trials."""
    wall_hours: float
    """From the first proposal to the last ending or epoch, pauses between sittings included."""
    gangs: int
    """The most that trained at once."""
    busy: float | None
    """Share of the gangs' wall time that was training; None before anything was trained."""
    epochs: int
    """Trained."""
    full_epochs: int
    """That the ended trials would have taken without stopping: as many times full fidelity."""
    train_hours_by_state: dict[str, float]
    """In the order of `STATES`; states without trials are left out."""
    nodes: tuple[Node, ...]
    """The one that trained most comes first."""


def spending(record: Record, study: Study) -> Spending:
    """Where the time went, as far as the record knows."""
    parts = [stretch for trial in record.trials for stretch in stretches(trial)]
    hours: dict[str, float] = defaultdict(float)
    for trial in record.trials:
        hours[state_name(trial.state)] += trial.train_seconds / HOUR
    gangs, wall = most_at_once(parts), _wall_hours(record, parts)
    trained = sum(trial.train_seconds for trial in record.trials) / HOUR
    return Spending(
        train_hours=trained,
        wall_hours=wall,
        gangs=gangs,
        busy=min(1.0, trained / (wall * gangs)) if wall and gangs else None,
        epochs=sum(trial.epoch for trial in record.trials),
        full_epochs=sum(trial.ended for trial in record.trials) * study.budget.max_epochs,
        train_hours_by_state={state: hours[state] for state in STATES if state in hours},
        nodes=_nodes(parts),
    )


def _wall_hours(record: Record, parts: list[Stretch]) -> float:
    begun = [trial.started_at for trial in record.trials if trial.started_at is not None]
    ended = [trial.ended_at for trial in record.trials if trial.ended_at is not None]
    ended += [stretch.ends[-1] for stretch in parts if stretch.ends]
    return (max(ended) - min(begun)) / HOUR if begun and ended else 0.0


def _nodes(parts: list[Stretch]) -> tuple[Node, ...]:
    by_node: dict[str, list[Stretch]] = defaultdict(list)
    for stretch in parts:
        by_node[stretch.node].append(stretch)
    nodes = [
        Node(
            name,
            len(own),
            sum(len(stretch.ends) for stretch in own),
            sum(stretch.seconds for stretch in own) / HOUR,
        )
        for name, own in by_node.items()
    ]
    return tuple(sorted(nodes, key=lambda node: -node.train_hours))
