"""What is wrong between machines that train one study together, from what each tells of itself.

No Ray in here, and nothing is asked: facts are as `facts.gather` gives them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmsearch.errors import Problem, reason_of

DRIVER = "the driver"
SHOWN = 12
"""Characters of a fingerprint that are told."""


@dataclass(frozen=True)
class Sight:
    """What one node sees of the study's folder."""

    reads: bool
    """Whether it reads what the driver has written there."""
    why_not: str | None
    """Why it cannot write there; None if it can."""
    is_read: bool
    """Whether the driver reads what it has written."""


def differing(
    place: str, facts: Mapping[str, Any], driver: Mapping[str, Any], *, called: str = DRIVER
) -> Iterator[Problem]:
    """Versions and code of a node that are not the driver's.

    Args:
        place: what messages call the node.
        facts: the node's.
        driver: the driver's.
        called: what messages call the driver.
    """
    mine = {"python": driver["python"], **driver["versions"]}
    theirs = {"python": facts["python"], **facts["versions"]}
    for name, version in mine.items():
        if theirs.get(name) != version:
            yield _other(place, name, theirs.get(name), version, called)
    if facts["code"] and facts["code"] != driver["code"]:
        rule = (
            f"has other code of mmsearch, fingerprint {facts['code'][:SHOWN]}, "
            f"{called} has {_short(driver['code'])}"
        )
        yield Problem(place, rule, "Copy the same checkout to every machine.")


def unshared(place: str, out: str, sight: Sight, *, called: str = DRIVER) -> Iterator[Problem]:
    """What speaks against a study's folder as one that a node and the driver share.

    Args:
        place: what messages call the node.
        out: the study's folder.
        sight: what the node sees of it.
        called: what messages call the driver.
    """
    way_out = "Give --out a folder that every machine mounts at the same path."
    if not sight.reads:
        yield Problem(place, f"does not see what {called} writes below {out}", way_out)
    elif sight.why_not is not None:
        rule = f"cannot write below {out}: {sight.why_not.lower()}"
        yield Problem(place, rule, "Let the user that Ray runs as write there.")
    elif not sight.is_read:
        yield Problem(place, f"writes below {out} what {called} does not see", way_out)


def unlike(
    place: str, path: str, theirs: str | None, mine: str | None, *, called: str = DRIVER
) -> Iterator[Problem]:
    """A file that workers read, and that a node lacks or has another of.

    Args:
        place: what messages call the node.
        path: of the file or folder, as the workers are given it.
        theirs: its fingerprint on the node, None if it is not there.
        mine: its fingerprint on the driver.
        called: what messages call the driver.
    """
    if theirs == mine:
        return
    way_out = "Put the same one at that path on every machine, or on a folder that all share."
    if theirs is None:
        rule = f"has no {path}, which {called} has with fingerprint {_short(mine)}"
    else:
        rule = f"has another {path}, fingerprint {_short(theirs)}, {called} has {_short(mine)}"
    yield Problem(place, rule, way_out)


def silent(place: str, why: Exception) -> Problem:
    """A node that answers nothing.

    Args:
        place: what messages call the node.
        why: what came instead.
    """
    rule = f"gives no answer ({reason_of(why)})"
    return Problem(place, rule, "Look at `ray status`, or take it out.")


def _other(place: str, name: str, theirs: str | None, mine: str | None, called: str) -> Problem:
    rule = f"has {f'{name} {theirs}' if theirs else f'no {name}'}, {called} has {mine or 'none'}"
    way_out = f"Install {name} {mine} there, as on every machine."
    return Problem(place, rule, way_out if mine else f"Install the same {name} on every machine.")


def _short(fingerprint: str | None) -> str:
    return fingerprint[:SHOWN] if fingerprint else "none"
