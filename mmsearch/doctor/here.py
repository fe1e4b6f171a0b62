"""Findings of this machine: what it is, what data it has, and whether two workers meet on it."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from mmsearch.cluster import facts
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.machine import examined
from mmsearch.doctor.needs import needs
from mmsearch.errors import DataError, reason_of

HERE = "this machine"
WORKERS = 2
TIMEOUT_S = 300.0
"""Starting both takes seconds; on a machine that is busy, or a disk that is slow, a minute."""


def surveyed(*, out: str, data: Path | None, dataset: str | None) -> Iterator[Finding]:
    """All that can be found here.

    Args:
        out: folder that studies are to lie in.
        data: folder of a dataset's files, or of several datasets.
        dataset: the one that is needed; None says which are there.
    """
    yield from examined(HERE, facts.gather(out=out), needs())
    yield from _data(data, dataset)
    yield _meeting()


def _data(data: Path | None, dataset: str | None) -> Iterator[Finding]:
    from mmsearch import datasets

    if dataset is not None:
        try:
            datasets.check(dataset, folder=data)
            yield Finding("ok", HERE, f"dataset {dataset} is there")
        except DataError as error:
            yield from map(Finding.of, error.problems)
        return
    there: list[str] = []
    for name in datasets.known():
        try:
            datasets.check(name, folder=data)
            there.append(name)
        except DataError:
            continue
    told = f"datasets that are there: {', '.join(there) or 'none'}"
    if data is not None and not data.is_dir():
        yield Finding("error", str(data), "there is no such folder", "Mend --data.")
    yield Finding("ok", HERE, f"{told}; `python -m mmsearch.data` tells of the others")


def _meeting() -> Finding:
    remedy = "A trial of several workers would wait for ever; `ulimit -a` and /etc/hosts may tell."
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(prefix="mmsearch-") as folder, context.Pool(WORKERS) as pool:
        where = f"file://{folder}/meeting"
        meeting = pool.starmap_async(_speed, [(n, where) for n in range(WORKERS)], chunksize=1)
        try:
            slowest = min(meeting.get(timeout=TIMEOUT_S))
        except multiprocessing.TimeoutError:
            told = f"{WORKERS} workers did not meet within {TIMEOUT_S:.0f} s"
            return Finding("error", HERE, told, remedy)
        except Exception as error:  # noqa: BLE001  whatever keeps them from it is what is found
            told = f"{WORKERS} workers do not meet ({reason_of(error)})"
            return Finding("error", HERE, told, remedy)
    told = f"{WORKERS} workers meet, all-reduce of 16 MB at {slowest:.0f} MB/s"
    return Finding("ok", HERE, told)


def _speed(rank: int, where: str) -> float:
    from mmsearch.cluster.logs import redirect

    redirect(Path(os.devnull))
    from mmsearch.training import Worker, all_reduce_speed

    return all_reduce_speed(Worker(rank=rank, world_size=WORKERS), init_method=where)
