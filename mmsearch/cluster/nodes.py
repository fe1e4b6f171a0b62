"""Looks over the nodes of a cluster before a search: one small task pinned on each.

Unusual: what runs there is sent along whole, so that a node without mmsearch can still tell that it
has none.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmsearch import backbones, methods
from mmsearch.cluster import facts, machines
from mmsearch.cluster.room import workers_on
from mmsearch.cluster.sameness import Sight, differing, silent, unlike, unshared
from mmsearch.errors import ClusterError, Problem, reason_of
from mmsearch.study import Study
from mmsearch.study.files import at_home

TIMEOUT_S = 180.0
"""How long a node may take to start a process and answer."""


@dataclass(frozen=True)
class Peer:
    """A live node."""

    id: str
    host: str
    address: str

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"node {self.host} ({self.address})"


def peers(gpus_per_worker: float | None) -> list[Peer]:
    """The nodes that may get workers, but for the one that the driver is on.

    Args:
        gpus_per_worker: what a worker needs beside a CPU; None gives all nodes.
    """
    own = ray.get_runtime_context().get_node_id()
    return [
        Peer(node["NodeID"], node["NodeManagerHostname"], node["NodeManagerAddress"])
        for node in machines.live()
        if node["NodeID"] != own
        and (gpus_per_worker is None or workers_on(node["Resources"], gpus_per_worker))
    ]


def ask(
    some: Sequence[Peer],
    call: Callable[..., Any],
    arguments: Sequence[Mapping[str, Any]] = (),
) -> list[Any]:
    """What a function of `facts` answers on each node; an Exception where it gave no answer.

    Args:
        some: the nodes.
        call: the function.
        arguments: its keywords, for each node.
    """
    each = arguments or [{}] * len(some)
    with _sent_along():
        asked = ray.remote(call)
        calls = [
            asked.options(
                num_cpus=0,
                max_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(peer.id, soft=False),
            ).remote(**keywords)
            for peer, keywords in zip(some, each, strict=True)
        ]
    done, _ = ray.wait(calls, num_returns=len(calls), timeout=TIMEOUT_S) if calls else ([], [])
    return [_answer(one, one in done) for one in calls]


def check(some: Sequence[Peer], study: Study, out: Path) -> None:
    """Whether these nodes and the driver can train a study together.

    Args:
        some: nodes that may get workers.
        study: what is to be searched.
        out: its folder, which may not be there yet.

    Raises:
        ClusterError: a folder that is not shared, other versions, other files: all of them.
    """
    if not some:
        return
    here, problems = facts.gather(), []
    answers = ask(some, facts.gather)
    for peer, told in zip(some, answers, strict=True):
        if isinstance(told, Exception):
            problems.append(silent(peer.place, told))
        else:
            problems += differing(peer.place, told, here)
    if not any(isinstance(told, Exception) for told in answers):
        for peer, sight in zip(some, sights(some, out), strict=True):
            problems += unshared(peer.place, str(out), sight)
        problems += _files(some, study)
    if problems:
        raise ClusterError(problems)


def sights(some: Sequence[Peer], out: Path) -> list[Sight]:
    """What each node sees of a folder: it reads a file of the driver's and writes one.

    Raises:
        OSError: the driver cannot write there itself.
    """
    folder, secret = facts.nearest(str(out)), token_hex(8)
    names = [str(folder / f".mmsearch-{secret}-{peer.id}") for peer in some]
    mine = folder / f".mmsearch-{secret}"
    mine.write_text(secret, encoding="utf-8")
    try:
        told = ask(
            some,
            facts.exchange,
            [{"read": str(mine), "write": name, "text": secret} for name in names],
        )
    finally:
        mine.unlink(missing_ok=True)
    return [
        Sight(reads=False, why_not=reason_of(one), is_read=False)
        if isinstance(one, Exception)
        else Sight(one["read"] == secret, one["why_not"], text == secret)
        for one, text in zip(told, facts.collect(names), strict=True)
    ]


def _files(some: Sequence[Peer], study: Study) -> Iterator[Problem]:
    for path in _read_by_workers(study):
        mine = facts.digest(path)
        found = ask(some, facts.digest, [{"name": path}] * len(some))
        for peer, theirs in zip(some, found, strict=True):
            known = None if isinstance(theirs, Exception) else theirs
            yield from unlike(peer.place, path, known, mine)


def _read_by_workers(study: Study) -> list[str]:
    """A method in a file of the user's, and folders of networks that learn along.

    The dataset is none of them: the driver reads it, and Ray carries it to each node once.
    """
    schema = methods.schema_of(study.method)
    models = [one.settings.model for one in backbones.of_study(study, schema) if one.learns]
    own = [study.method] if study.method.endswith(".py") else []
    paths = [str(at_home(path)) for path in dict.fromkeys((*own, *models))]
    return [path for path in paths if Path(path).exists()]


@contextmanager
def _sent_along() -> Generator[None]:
    ray.cloudpickle.register_pickle_by_value(facts)
    try:
        yield
    finally:
        ray.cloudpickle.unregister_pickle_by_value(facts)


def _answer(call: Any, done: bool) -> Any:  # noqa: FBT001  one of its two pieces of news
    if not done:
        return TimeoutError(f"nothing within {TIMEOUT_S:g} s")
    try:
        return ray.get(call)
    except ray.exceptions.RayError as error:
        return error
