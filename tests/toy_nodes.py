"""Several Ray nodes on this machine, for tests of what happens between nodes."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

MEMORY = 80 * 1024 * 1024
"""Of each node's object store, the least that Ray takes."""


@contextmanager
def nodes(*has: dict[str, Any]) -> Generator[Cluster]:
    """A cluster of nodes that have `num_cpus` and `num_gpus` in name; the first is the head.

    It ends no Ray of others, and leaves the address that `auto` stands for as it was.
    """
    asked = {"object_store_memory": MEMORY, "include_dashboard": False}
    before = os.environ.get("RAY_ADDRESS")
    cluster = Cluster(initialize_head=True, head_node_args=asked | has[0])
    try:
        for one in has[1:]:
            cluster.add_node(**{k: v for k, v in (asked | one).items() if k != "include_dashboard"})
        cluster.wait_for_nodes(timeout=120)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        if before is None:
            os.environ.pop("RAY_ADDRESS", None)


@contextmanager
def strange_node(address: str, *, hidden: Path, replaced: Mapping[Path, Path]) -> Generator[str]:
    """A node that sees other files than this process does; gives its id.

    Args:
        address: of the cluster that it joins.
        hidden: a folder that is empty there.
        replaced: files, and what is there in their place.
    """
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("a node that sees other files needs root and unshare")
    mounts = [f"mount -t tmpfs none {shlex.quote(str(hidden))}"]
    mounts += [
        f"mount --bind {shlex.quote(str(b))} {shlex.quote(str(a))}" for a, b in replaced.items()
    ]
    start = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1"]
    start += [f"--address={address}", f"--object-store-memory={MEMORY}"]
    known = {node["NodeID"] for node in ray.nodes()}
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        " && ".join([*mounts, f"exec {shlex.join(start)}"]),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (joined := {n["NodeID"] for n in ray.nodes() if n["Alive"]} - known):
            assert process.poll() is None, "ray start failed"
            assert time.monotonic() < end, "no node has joined"
            time.sleep(0.5)
        yield joined.pop()
    finally:
        family = [
            *psutil.Process(process.pid).children(recursive=True),
            psutil.Process(process.pid),
        ]
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=30)
        process.wait()


def hosts() -> Sequence[str]:
    """Ids of the live nodes."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]
