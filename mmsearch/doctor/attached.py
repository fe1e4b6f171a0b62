"""Findings of the nodes of a Ray cluster that runs."""

from collections.abc import Iterator
from pathlib import Path

from mmsearch.cluster.sameness import silent
from mmsearch.cluster.survey import Survey, survey
from mmsearch.doctor.between import Told, compared, speed, storage
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.machine import examined
from mmsearch.doctor.needs import needs
from mmsearch.errors import reason_of


def surveyed(address: str, *, out: str, data: str | None) -> Iterator[Finding]:
    """All that can be found by tasks of Ray's.

    Args:
        address: of the cluster.
        out: folder that studies are to lie in.
        data: folder of a dataset's files.

    Raises:
        ClusterError: no Ray answers there.
    """
    found = survey(address, out=Path(out), data=data)
    told: list[Told] = []
    for answer in found.answers:
        if isinstance(answer.facts, Exception):
            yield Finding.of(silent(answer.place, answer.facts))
        else:
            told.append(Told(answer.place, answer.facts, answer.asked_at, answer.answered_at))
            yield from examined(answer.place, answer.facts, needs())
    yield from compared(told[0], told[1:], data=data)
    for place, sight in found.sights.items():
        yield storage(place, out, sight, called=told[0].place)
    yield from _speed(found)


def _speed(found: Survey) -> Iterator[Finding]:
    if isinstance(found.speed, Exception):
        told = f"workers do not meet ({reason_of(found.speed)})"
        remedy = (
            "Open all ports between the nodes; where they have several networks, set "
            "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME before `ray start`."
        )
        yield Finding("error", f"between {len(found.answers)} machines", told, remedy)
    elif found.speed is not None:
        yield speed(len(found.answers), found.speed)
