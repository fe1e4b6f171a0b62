"""What nodes a cluster may still start, read from the file that `ray up` leaves on its head."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmsearch.cluster.room import Node

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""The cluster file as the autoscaler has it. A driver on another host sees none, and takes the
cluster as it stands."""


def growth(live: Sequence[Node]) -> Sequence[Node]:
    """Nodes that the autoscaler of this host's cluster may add, see `growth_of`."""
    try:
        cluster = yaml.safe_load(BOOTSTRAP.expanduser().read_text(encoding="utf-8"))
        return growth_of(cluster, live)
    except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError):
        return ()


def growth_of(cluster: Mapping[str, Any], live: Sequence[Node]) -> Sequence[Node]:
    """Nodes that may join those that are there, by a cluster file; one each.

    Which kind a live node is of is not known; the first kinds of the file are taken to be there
    first. A kind of which the file does not say what it has is like the largest live node.

    Args:
        cluster: the file's content, node types filled in.
        live: the nodes that are there, the head among them.
    """
    largest = max(live, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)), default={})
    kinds = [
        kind
        for name, kind in cluster.get("available_node_types", {}).items()
        if name != cluster.get("head_node_type")
        or cluster.get("provider", {}).get("type") == "local"
    ]
    least, more = [], []
    for kind in kinds:
        has = kind.get("resources") or largest
        fewest = kind.get("min_workers", 0)
        least += [has] * fewest
        more += [has] * (kind.get("max_workers", 0) - fewest)
    workers = [*least, *more][: cluster.get("max_workers", len(least) + len(more))]
    return workers[max(0, len(live) - 1) :]
