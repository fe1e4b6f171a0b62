"""Looks over a running cluster for the doctor: facts of each node, a shared folder, the network."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmsearch.cluster import facts, machines
from mmsearch.cluster.interfaces import free_port, prescribe
from mmsearch.cluster.nodes import TIMEOUT_S, Peer, ask, peers, sights
from mmsearch.cluster.sameness import Sight
from mmsearch.training import Worker, all_reduce_speed


@dataclass(frozen=True)
class Answer:
    """What one node told."""

    place: str
    facts: Any
    """As `facts.gather` gives them, or the Exception that came instead."""
    asked_at: float
    """Seconds of the driver's clock, around the moment at which it read its own."""
    answered_at: float


@dataclass(frozen=True)
class Survey:
    """What a cluster told."""

    answers: Sequence[Answer]
    """The driver's machine first."""
    sights: Mapping[str, Sight]
    """By place, of all others."""
    speed: float | Exception | None
    """Megabytes a second of an all-reduce over all nodes; None where there is one."""


class Member:
    """One worker that meets those of the other nodes."""

    def where(self) -> str:
        """Where the others may meet this one."""
        address = ray.util.get_node_ip_address()
        return f"tcp://{address}:{free_port(address)}"

    def speed(self, rank: int, size: int, where: str) -> float:
        """See `all_reduce_speed`."""
        prescribe(ray.util.get_node_ip_address(), os.environ)
        return all_reduce_speed(Worker(rank=rank, world_size=size), init_method=where)


def survey(address: str, *, out: Path, data: str | None) -> Survey:
    """Joins a cluster, looks it over, and leaves it.

    Raises:
        ClusterError: no Ray answers there.
    """
    machines.start(address)
    try:
        others = peers(None)
        own = ray.get_runtime_context().get_node_id()
        arguments = {"out": str(out), "data": data}
        told = ask(others, facts.gather, [arguments] * len(others))
        answers = [Answer("the driver's machine", facts.gather(**arguments), time(), time())]
        answers += map(_clocked, others, told)
        alive = [peer for peer, one in zip(others, told, strict=True) if isinstance(one, dict)]
        seen = sights(alive, out) if alive else []
        places = [peer.place for peer in alive]
        speed = _speed([own, *(peer.id for peer in alive)]) if alive else None
        return Survey(answers, dict(zip(places, seen, strict=True)), speed)
    finally:
        machines.stop()


def _clocked(peer: Peer, told: Any) -> Answer:
    """With the clock read once more: the first time a process had to start."""
    asked_at = time()
    (now,) = ask([peer], facts.now)
    if isinstance(told, dict) and isinstance(now, float):
        told = {**told, "time": now}
    return Answer(peer.place, told, asked_at, time())


def _speed(ids: Sequence[str]) -> float | Exception:
    members = [
        ray.remote(Member)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(one, soft=False))
        .remote()
        for one in ids
    ]
    try:
        where = ray.get(members[0].where.remote(), timeout=TIMEOUT_S)
        calls = [m.speed.remote(rank, len(ids), where) for rank, m in enumerate(members)]
        return min(ray.get(calls, timeout=TIMEOUT_S))
    except (ray.exceptions.RayError, TimeoutError) as error:
        return error
    finally:
        for member in members:
            ray.kill(member)
