"""Which network interface carries an address, so that a gang meets where its nodes meet.

Unusual: left alone, gloo and NCCL guess. A host name that stands for 127.0.1.1, a bridge of Docker
or a second network then lets workers of several nodes wait for each other for ever.
"""

import socket
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Protocol

import psutil


class _Address(Protocol):
    @property
    def address(self) -> str: ...


def carrying(address: str, interfaces: Mapping[str, Iterable[_Address]]) -> str | None:
    """Name of the interface that has an address; None if none has.

    Args:
        address: of IPv4 or IPv6.
        interfaces: as `psutil.net_if_addrs` tells them.
    """
    for name, addresses in interfaces.items():
        if any(one.address.partition("%")[0] == address for one in addresses):
            return name
    return None


def free_port(address: str) -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def prescribe(address: str, environment: MutableMapping[str, str]) -> None:
    """Tells gloo and NCCL the interface of this node's address; what a user said before stays."""
    name = carrying(address, psutil.net_if_addrs())
    if name is not None:
        environment.setdefault("GLOO_SOCKET_IFNAME", name)
        # NCCL takes a name for a beginning of names, unless it is told that it is whole.
        environment.setdefault("NCCL_SOCKET_IFNAME", f"={name}")
