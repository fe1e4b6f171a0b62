"""How many gangs a search has places for, while nodes come and go. No Ray in here."""

from collections.abc import Callable
from time import monotonic

from mmsearch.cluster.room import Room

EVERY_S = 5.0
"""Nodes are counted so often."""


class Places:
    """Follows a cluster from the room that a search began with."""

    def __init__(
        self,
        room: Room,
        count: Callable[[], Room] | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`count` counts anew; None where the machines stay as they are."""
        self._room = room
        self._count = count
        self._clock = clock
        self._counted_at = clock()

    @property
    def gangs(self) -> int:
        """Trials at a time: at least one, which waits for a machine where there is none."""
        return max(1, self._room.gangs)

    @property
    def wanted(self) -> int:
        """Gangs to ask Ray for: those that a growing cluster would start machines for as well."""
        return max(1, self._room.gangs + self._room.coming)

    @property
    def leaving(self) -> frozenset[str]:
        """Nodes, as Ray knows them, that are to be taken away."""
        return self._room.leaving

    def look(self) -> bool:
        """Counts anew if it is time to; whether the number of gangs has changed."""
        now = self._clock()
        if self._count is None or now - self._counted_at < EVERY_S:
            return False
        before, self._room, self._counted_at = self.gangs, self._count(), now
        return self.gangs != before
