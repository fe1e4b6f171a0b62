"""How many gangs the machines hold, counted as Ray places them. No Ray in here.

Workers are placed one by one, each whole on one node, and the part of a GPU that one has on one
device. A gang's workers may lie on several nodes, however they are asked to be placed: Ray packs or
spreads them as well as it can.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmsearch.errors import ClusterError, Problem
from mmsearch.study import Resources

GRAIN = 10_000
"""Ray counts resources in ten thousandths."""
Node = Mapping[str, float]
"""What a node has in all: `CPU`, and `GPU` where there are any."""


@dataclass(frozen=True)
class Room:
    """What a study gets of the machines."""

    gangs: int
    """Trials at a time, on the nodes that are there."""
    gpus_per_worker: float
    coming: int = 0
    """Trials at a time beyond that, on nodes that the cluster may start when they are asked for."""
    leaving: frozenset[str] = frozenset()
    """Nodes, as Ray knows them, that are to be taken away and count no more."""


def counted(nodes: Sequence[Node], resources: Resources, *, growth: Sequence[Node] = ()) -> Room:
    """How many gangs fit.

    Args:
        nodes: those that are there.
        resources: what a trial asks for.
        growth: those that an autoscaler may add.

    Raises:
        ClusterError: not even one gang fits, nor will.
    """
    room = fitting(nodes, resources, growth=growth)
    if room.gangs + room.coming < 1:
        raise ClusterError(_never([*nodes, *growth], resources.workers, room.gpus_per_worker))
    return room


def fitting(nodes: Sequence[Node], resources: Resources, *, growth: Sequence[Node] = ()) -> Room:
    """As `counted`, but there may be room for none."""
    later = [*nodes, *growth]
    share = resources.gpus_per_worker
    if share is None:
        share = 1.0 if any(node.get("GPU") for node in later) else 0.0
    now, then = (_gangs(some, resources.workers, share) for some in (nodes, later))
    wanted = min(then, resources.concurrent or then)
    return Room(min(now, wanted), share, coming=wanted - min(now, wanted))


def workers_on(node: Node, gpus_per_worker: float) -> int:
    """How many workers one node holds."""
    cpus = int(node.get("CPU", 0.0))
    if not gpus_per_worker:
        return cpus
    gpus = int(node.get("GPU", 0.0))
    if gpus_per_worker >= 1:
        return min(cpus, gpus // int(gpus_per_worker))
    return min(cpus, gpus * (GRAIN // max(1, round(gpus_per_worker * GRAIN))))


def _gangs(nodes: Sequence[Node], workers: int, gpus_per_worker: float) -> int:
    return sum(workers_on(node, gpus_per_worker) for node in nodes) // workers


def _never(nodes: Sequence[Node], workers: int, gpus_per_worker: float) -> Problem:
    held = sum(workers_on(node, gpus_per_worker) for node in nodes)
    told = ", ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
    return Problem(
        "[resources]",
        f"a trial asks for {workers} workers with 1 CPU and {gpus_per_worker:g} GPUs each, got "
        f"room for {held} on {len(nodes)} machine{'' if len(nodes) == 1 else 's'} ({told})",
        "Ask for fewer workers or GPUs, or add machines.",
    )
