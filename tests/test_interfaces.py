"""Gangs meet over the network that Ray uses."""

import socket
from types import SimpleNamespace

import psutil
import pytest

from mmsearch.cluster.interfaces import carrying, prescribe


def interfaces() -> dict[str, list[SimpleNamespace]]:
    told = {
        "lo": ["127.0.0.1", "::1"],
        "docker0": ["172.17.0.1"],
        "ib0": ["10.0.0.10", "fe80::1%ib0"],
    }
    return {name: [SimpleNamespace(address=one) for one in some] for name, some in told.items()}


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.0.0.10", "ib0"), ("10.0.0.1", None), ("fe80::1", "ib0"), ("127.0.0.1", "lo")],
)
def test_an_address_is_carried_by_the_interface_that_has_it_whole(
    address: str, name: str | None
) -> None:
    assert carrying(address, interfaces()) == name


def test_gloo_and_nccl_are_told_the_interface_unless_the_user_did() -> None:
    told: dict[str, str] = {}
    prescribe("127.0.0.1", told)
    (name,) = {
        n for n, has in psutil.net_if_addrs().items() for a in has if a.address == "127.0.0.1"
    }
    assert told == {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": f"={name}"}
    assert name in {name for _, name in socket.if_nameindex()}
    mine = {"GLOO_SOCKET_IFNAME": "ib0", "NCCL_SOCKET_IFNAME": "ib0"}
    prescribe("127.0.0.1", mine)
    assert mine == {"GLOO_SOCKET_IFNAME": "ib0", "NCCL_SOCKET_IFNAME": "ib0"}


def test_where_no_interface_has_the_address_nothing_is_prescribed() -> None:
    told: dict[str, str] = {}
    prescribe("192.0.2.77", told)
    assert told == {}
