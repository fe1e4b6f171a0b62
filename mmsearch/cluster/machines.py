"""The machines at hand: starts or joins Ray, and says how many gangs they hold."""

import logging
import os
import socket
from dataclasses import replace
from typing import Any

import ray
from ray._private.services import canonicalize_bootstrap_address, extract_ip_port

from mmsearch.cluster.growth import growth
from mmsearch.cluster.room import Room, counted, fitting
from mmsearch.errors import ClusterError, Problem, reason_of
from mmsearch.study import Resources

KNOCK_S = 10.0
"""How long a cluster's head may take to accept a connection."""


def start(address: str | None) -> None:
    """Starts Ray on this machine, or joins the running cluster at this address.

    Raises:
        ClusterError: nothing answers at the address, or Ray does not start.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "namespace": "mmsearch",
    }
    if address is None:
        _start_here(quiet)
        return
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        reason = reason_of(error)
        raise ClusterError(
            Problem(
                "--address",
                f"no Ray cluster answers ({reason}), got {address!r}",
                "Start one with `ray start --head` or `ray up cluster.yaml`, or leave --address "
                "out to use this machine alone.",
            )
        ) from error


def _start_here(quiet: dict[str, Any]) -> None:
    try:
        ray.init(address="local", include_dashboard=False, **quiet)
    except Exception as error:
        # It raises this bare when its processes are not up in time; those that are end with ours.
        reason = reason_of(error)
        raise ClusterError(
            Problem(
                "Ray",
                f"it does not start on this machine ({reason})",
                "Make sure of free memory and idle cores, then try again with --resume.",
            )
        ) from error


def _knock(address: str) -> None:
    """Raises OSError or ValueError where nothing listens; Ray would try for many minutes."""
    found = canonicalize_bootstrap_address(address.removeprefix("ray://"))
    if found is not None:
        host, port = extract_ip_port(found)
        socket.create_connection((host, port), timeout=KNOCK_S).close()


def room(resources: Resources) -> Room:
    """How many gangs fit; call after `start`.

    Raises:
        ClusterError: not even one gang fits, and no autoscaler is known that could change that.
    """
    nodes = [node["Resources"] for node in live()]
    return counted(nodes, resources, growth=growth(nodes))


def room_now(resources: Resources) -> Room:
    """As `room`, but nodes may have left so that nothing fits."""
    leaving = draining()
    nodes = [node["Resources"] for node in live() if node["NodeID"] not in leaving]
    return replace(fitting(nodes, resources, growth=growth(nodes)), leaving=leaving)


def live() -> list[dict[str, Any]]:
    """The nodes that are there, as `ray.nodes` tells of them."""
    return [node for node in ray.nodes() if node["Alive"]]


def draining() -> frozenset[str]:
    """Nodes that are to be taken away: `ray drain-node`, an autoscaler, a spot machine's notice."""
    return frozenset(ray._private.state.state.get_draining_nodes())  # noqa: SLF001  as Ray Train asks


def check(mail: Any) -> None:
    """Looks whether Ray still stands; costs nothing to speak of.

    Without its raylet, Ray ends this process and says nothing. Only one that `start` started is
    looked at.

    Args:
        mail: what is pending as long as the orders to the gangs are carried.

    Raises:
        ClusterError: a process without which the search cannot go on has died.
    """
    node = ray._private.worker._global_node  # noqa: SLF001  no public way to ask
    if any(name == "raylet" for name, _ in node.dead_processes()):
        raise _fallen("the raylet of this machine")
    if ray.wait([mail], timeout=0)[0]:
        raise _fallen("the process that carries the orders to the gangs")


def _fallen(what: str) -> ClusterError:
    way_out = "Nothing on record is lost: go on with the same command and --resume."
    return ClusterError(Problem("Ray", f"{what} has died", way_out))


def stop() -> None:
    """Leaves the cluster; one that `start` started ends."""
    ray.shutdown()
