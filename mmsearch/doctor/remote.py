"""Findings of the machines of a cluster file, all asked by ssh at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from time import time
from typing import Any

from mmsearch.cluster.sameness import Sight
from mmsearch.doctor import ssh
from mmsearch.doctor.between import Told, compared, storage
from mmsearch.doctor.cluster_file import ClusterFile
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.machine import examined
from mmsearch.doctor.needs import needs

PORTS = (6379, 8265, 10001)
"""That Ray's head listens at: the cluster's own, the dashboard's, that of clients."""


def surveyed(cluster: ClusterFile, *, out: str | None, data: str | None) -> Iterator[Finding]:
    """All that can be found before Ray runs.

    Args:
        cluster: its machines.
        out: folder that studies are to lie in.
        data: folder of a dataset's files.
    """
    yield from _key(cluster)
    if cluster.in_container:
        remedy = "Once it runs, run the doctor in it with --address auto."
        yield Finding("warning", "docker", "versions in the container are not looked at", remedy)
    request = {"call": "gather", "out": out, "data": data, "ports": PORTS}
    answers = _asked(cluster, cluster.hosts, lambda _: request)
    told = [answer for answer in answers if isinstance(answer, Told)]
    for answer in answers:
        if isinstance(answer, Finding):
            yield answer
            continue
        yield Finding("ok", answer.place, f"{cluster.user} logs in by ssh")
        yield from examined(answer.place, answer.facts, needs())
    if not told or told[0].place != cluster.head:
        yield Finding("error", cluster.head, "without the head, nothing more can be compared")
        return
    yield from _ports(told[0])
    yield from compared(told[0], told[1:], data=data)
    if out is not None and told[1:]:
        yield from _storage(cluster, told, out)


def _asked(
    cluster: ClusterFile, hosts: Sequence[str], request: Callable[[str], dict[str, Any]]
) -> list[Told | Finding]:
    def one(host: str) -> Told | Finding:
        try:
            ssh.knock(host, cluster.port)
            asked_at = time()
            answer = ssh.call(host, cluster, request(host))
            return Told(host, answer, asked_at, time())
        except ssh.Unreachable as error:
            return Finding("error", host, error.found, error.remedy)

    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(one, hosts))


def _storage(cluster: ClusterFile, told: Sequence[Told], out: str) -> Iterator[Finding]:
    """The head writes a file that all others read, and reads what each of them writes."""
    secret, head = token_hex(8), told[0]
    stem = f"{head.facts['folder']}/.mmsearch-{secret}"
    written = {one.place: f"{stem}-{index}" for index, one in enumerate(told)}

    def exchange(host: str) -> dict[str, Any]:
        return {"call": "exchange", "read": stem, "write": written[host], "text": secret}

    # The head's own file comes first, as the answer to what it would read.
    (own,) = _asked(
        cluster,
        [head.place],
        lambda _: {"call": "exchange", "read": stem, "write": stem, "text": secret},
    )
    others = _asked(cluster, [one.place for one in told[1:]], exchange)
    names = [written[one.place] for one in others]
    (texts,) = _asked(cluster, [head.place], lambda _: {"call": "collect", "paths": [*names, stem]})
    if isinstance(own, Finding) or isinstance(texts, Finding):
        yield next(one for one in (own, texts) if isinstance(one, Finding))
        return
    for one, text in zip(others, list(texts.facts), strict=False):
        if isinstance(one, Finding):
            yield one
        else:
            seen = one.facts
            sight = Sight(seen["read"] == secret, seen["why_not"], text == secret)
            yield storage(one.place, out, sight, called=head.place)


def _key(cluster: ClusterFile) -> Iterator[Finding]:
    key = cluster.key
    if key is None:
        return
    if not key.is_file():
        remedy = "Mend auth ssh_private_key in the cluster file, or make one with ssh-keygen."
        yield Finding("error", str(key), "there is no such key", remedy)
    elif key.stat().st_mode & 0o077:
        remedy = f"Run `chmod 600 {key}`."
        yield Finding("error", str(key), "others may read the key, so ssh does not use it", remedy)


def _ports(head: Told) -> Iterator[Finding]:
    taken = [port for port, listens in head.facts["ports"].items() if listens]
    if taken:
        remedy = "If that is not the cluster itself, end it: `ray stop` there."
        told = f"something listens at {', '.join(taken)}, where Ray's head does"
        yield Finding("warning", head.place, told, remedy)
    else:
        told = f"Ray's ports {', '.join(head.facts['ports'])} are free"
        yield Finding("ok", head.place, told)
