"""What is to be said of several machines together; nothing is asked here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch.cluster.sameness import Sight, differing, unlike, unshared
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.machine import is_set_up

CLOCK_S = (1.0, 30.0)
"""Differences of clocks from which on logs and deadlines mislead, and leases and tokens fail."""
SLOW = 100.0
"""Megabytes a second of an all-reduce below which a gang should not span machines."""


@dataclass(frozen=True)
class Told:
    """What one machine told, and how sure its clock could be read."""

    place: str
    facts: Mapping[str, Any]
    asked_at: float
    """Seconds of this machine's clock."""
    answered_at: float

    @property
    def ahead_s(self) -> tuple[float, float]:
        """Least and most that its clock may be ahead of ours, in s."""
        time = self.facts["time"]
        return time - self.answered_at, time - self.asked_at


def compared(first: Told, others: Sequence[Told], *, data: str | None) -> Iterator[Finding]:
    """Versions, code, data and clocks of machines against those of the first.

    Args:
        first: the head, or the driver's machine.
        others: all others.
        data: folder of a dataset, if it was looked for.
    """
    for other in others:
        if is_set_up(other.facts):
            known = [*differing(other.place, other.facts, first.facts, called=first.place)]
            yield from map(Finding.of, known)
            if not known:
                yield Finding("ok", other.place, f"versions and code are those of {first.place}")
        yield _clock(first, other)
    if data is not None:
        yield from _data(data, first, others)


def storage(place: str, out: str, sight: Sight, *, called: str) -> Finding:
    """What a machine sees of the folder that studies are to lie in."""
    for problem in unshared(place, out, sight, called=called):
        return Finding.of(problem)
    return Finding("ok", place, f"shares {out} with {called}, both ways")


def speed(places: int, megabytes_a_second: float) -> Finding:
    """How fast machines reduce gradients together."""
    told = f"all-reduce of 16 MB at {megabytes_a_second:.0f} MB/s"
    place = f"between {places} machines"
    if megabytes_a_second < SLOW:
        remedy = (
            "Keep a trial's workers on one machine, or look for the faster network's interface."
        )
        return Finding("warning", place, told, remedy)
    return Finding("ok", place, told)


def _data(data: str, first: Told, others: Sequence[Told]) -> Iterator[Finding]:
    mine = first.facts["data"]
    if mine is None:
        remedy = "Copy the dataset there; `python -m mmsearch.data` says where to get it."
        yield Finding("error", first.place, f"{data} has no files", remedy)
        return
    yield Finding("ok", first.place, f"{data} has fingerprint {mine[:12]}")
    for other in others:
        found = [*unlike(other.place, data, other.facts["data"], mine, called=first.place)]
        # Ray carries the data to the nodes: only where a search is started must it lie.
        yield from (Finding("warning", p.place, p.rule, p.way_out) for p in found)
        if not found:
            yield Finding("ok", other.place, f"{data} is the same")


def _clock(first: Told, other: Told) -> Finding:
    """The two differ by something between `least` and `most`; only the sure part counts."""
    (first_least, first_most), (least, most) = first.ahead_s, other.ahead_s
    low, high = least - first_most, most - first_least
    sure = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    told = f"its clock differs from that of {first.place} by {(low + high) / 2:+.1f} s"
    told = f"{told} (within {(high - low) / 2:.1f} s)"
    remedy = "Install chrony or systemd-timesyncd on every machine."
    if sure >= CLOCK_S[1]:
        return Finding("error", other.place, told, remedy)
    if sure >= CLOCK_S[0]:
        return Finding("warning", other.place, told, remedy)
    return Finding("ok", other.place, told)
