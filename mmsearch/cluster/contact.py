"""Whether the processes that hold a cluster together still answer to the driver.

Unusual: a driver that has lost its cluster's head, or Ray's daemon of its own machine, is ended by
Ray within a minute, without a word, and whatever it asks of Ray until then takes that minute. So
the ports of both are knocked at by a thread of its own, which has the last word.
"""

import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

import ray

from mmsearch.errors import ClusterError, Problem

EVERY_S = 1.0
"""Between two knocks."""
KNOCK_S = 5.0
"""How long a machine may take to accept a connection."""


@dataclass(frozen=True)
class Door:
    """A port that must be open."""

    whose: str
    """As the user is told."""
    host: str
    port: int
    patience_s: float
    """How long it may stay shut, as a network may be interrupted."""

    def knock(self) -> bool:
        """Whether somebody opens."""
        try:
            socket.create_connection((self.host, self.port), timeout=KNOCK_S).close()
        except OSError:
            return False
        return True


class Contact:
    """With all doors at once."""

    def __init__(self, doors: Sequence[Door], *, clock: Callable[[], float] = monotonic) -> None:
        self._doors = tuple(doors)
        self._clock = clock
        self._shut_since: dict[Door, float] = {}

    def knock(self) -> None:
        """At every door."""
        for door in self._doors:
            now = self._clock()
            if door.knock():
                self._shut_since.pop(door, None)
            else:
                self._shut_since.setdefault(door, now)

    def lost(self) -> ClusterError | None:
        """What to tell the user where a door stays shut for longer than it may."""
        for door, since in self._shut_since.items():
            if self._clock() - since > door.patience_s:
                return _lost(door)
        return None


def _lost(door: Door) -> ClusterError:
    rule = f"{door.whose} at {door.host}:{door.port} has not answered for {door.patience_s:g} s"
    way_out = (
        "Nothing on record is lost: when the cluster stands again (`ray up cluster.yaml`), go on "
        "with the same command."
    )
    return ClusterError(Problem("Ray", rule, way_out))


@contextmanager
def kept(doors: Sequence[Door], leave: Callable[[ClusterError], None]) -> Generator[None]:
    """Knocks for as long as the context lasts.

    Args:
        doors: all must stay open.
        leave: called in another thread, once, with what to tell the user; Ray is lost then.
    """
    contact, over = Contact(doors), Event()

    def visit() -> None:
        while not over.wait(EVERY_S):
            contact.knock()
            if lost := contact.lost():
                leave(lost)
                return

    thread = Thread(target=visit, daemon=True, name="contact")
    thread.start()
    try:
        yield
    finally:
        over.set()


def doors(*, attached: bool) -> list[Door]:
    """Of the cluster's head and, where Ray was joined and not started, of this machine's daemon.

    Call after Ray is there. What Ray started for this driver, `machines.check` sees at once.
    """
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    head = Door("the head of the cluster", host, int(port), patience_s=30.0)
    if not attached:
        return [head]
    here = context.get_node_id()
    (node,) = [node for node in ray.nodes() if node["NodeID"] == here]
    address = node["NodeManagerAddress"], node["NodeManagerPort"]
    return [head, Door("the raylet of this machine", *address, patience_s=1.0)]
