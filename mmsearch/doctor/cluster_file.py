"""Reads of Ray's cluster file where its machines are and who may log in there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from mmsearch.errors import ClusterError, Problem, words_of


@dataclass(frozen=True)
class ClusterFile:
    """What the doctor needs of it."""

    head: str
    workers: tuple[str, ...]
    user: str
    key: Path | None
    """None is whatever ssh takes by itself."""
    in_container: bool = False
    """Whether Ray is to run in a container there, so that what the host has says little."""
    port: int = 22
    """Of sshd; Ray knows no other."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Addresses of all machines, the head's first."""
        return (self.head, *self.workers)


def read(path: Path) -> ClusterFile:
    """The cluster file at a path.

    Raises:
        ClusterError: it cannot be read, is no cluster file, or names no machines: all mistakes.
    """
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        rule = f"cannot be read: {words_of(error).lower()}"
        raise ClusterError(Problem(str(path), rule, "Give a cluster file of Ray.")) from error
    except (ValueError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise ClusterError(Problem(str(path), f"is not YAML: {told}", "Mend that line.")) from error
    if not isinstance(document, dict):
        raise ClusterError(Problem(str(path), "holds no table", "Give a cluster file of Ray."))
    return _checked(str(path), cast("dict[str, Any]", document))


def _checked(place: str, document: dict[str, Any]) -> ClusterFile:
    provider, auth = (_table(document, name) for name in ("provider", "auth"))
    kind, head, workers = (provider.get(name) for name in ("type", "head_ip", "worker_ips"))
    user, key = auth.get("ssh_user"), auth.get("ssh_private_key")
    if kind != "local":
        rule = f"names no machines, as its provider starts them itself, got type {kind!r}"
        way_out = "Start it with `ray up`, then run the doctor there with --address auto."
        raise ClusterError(Problem(f"{place} provider", rule, way_out))
    right = [
        ("provider head_ip", "an address", head, _text(head)),
        ("provider worker_ips", "a list of addresses", workers, _texts(workers)),
        ("auth ssh_user", "the name of an account", user, _text(user)),
        ("auth ssh_private_key", "a path", key, key is None or _text(key)),
    ]
    wrong = [
        Problem(f"{place} {name}", f"expected {wanted}, got {got!r}", "Fill it in.")
        for name, wanted, got, is_right in right
        if not is_right
    ]
    if wrong:
        raise ClusterError(wrong)
    return ClusterFile(
        head=cast("str", head),
        workers=tuple(cast("list[str]", workers)),
        user=cast("str", user),
        key=None if key is None else Path(cast("str", key)).expanduser(),
        in_container=bool(_table(document, "docker").get("container_name")),
    )


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, cast("list[object]", value)))
