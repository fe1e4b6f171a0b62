"""Several Ray nodes on this machine, for tests of what happens between nodes."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

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
        import ray

        ray.shutdown()
        cluster.shutdown()
        if before is None:
            os.environ.pop("RAY_ADDRESS", None)


def hosts(cluster: Cluster) -> Sequence[str]:
    """Ids of the nodes, the head's first."""
    return [node.node_id for node in cluster.list_all_nodes()]
