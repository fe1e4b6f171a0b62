"""Doors that are knocked at: real ports of this machine, and a clock that a test moves."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mmsearch.cluster import contact
from mmsearch.cluster.contact import Contact, Door, kept
from mmsearch.errors import ClusterError


@contextmanager
def opened(port: int = 0) -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_door_that_opens_is_fine_however_long_ago_it_was_knocked_at():
    clock = Clock()
    with opened() as port:
        cluster = Contact([Door("the head", "127.0.0.1", port, 30.0)], clock=clock)
        cluster.knock()
        clock.now += 1000.0
        cluster.check()


def test_a_door_that_is_shut_for_longer_than_it_may_be_is_told_with_who_is_behind_it():
    clock = Clock()
    with opened() as port:
        pass
    cluster = Contact([Door("the head of the cluster", "127.0.0.1", port, 30.0)], clock=clock)
    cluster.knock()
    clock.now += 30.0
    cluster.knock()
    cluster.check()
    clock.now += 1.0
    said = rf"Ray: the head of the cluster at 127.0.0.1:{port} has not answered for 30 s"
    with pytest.raises(ClusterError, match=said) as caught:
        cluster.check()
    assert "`ray up cluster.yaml`), go on with the same command" in str(caught.value)


def test_a_door_that_opens_again_in_time_has_all_of_its_patience_again():
    clock = Clock()
    with opened() as port:
        pass
    cluster = Contact([Door("the head", "127.0.0.1", port, 30.0)], clock=clock)
    cluster.knock()
    clock.now += 29.0
    with opened(port):
        cluster.knock()
    clock.now += 1.0
    cluster.knock()
    clock.now += 29.0
    cluster.check()


def test_one_shut_door_among_open_ones_is_enough():
    clock = Clock()
    with opened() as port, opened() as other:
        doors = [Door("the head", "127.0.0.1", port, 30.0), Door("it", "127.0.0.1", other, 1.0)]
        cluster = Contact(doors, clock=clock)
        cluster.knock()
    with opened(port):
        cluster.knock()
        clock.now += 2.0
        with pytest.raises(ClusterError, match=r"it at 127\.0\.0\.1"):
            cluster.check()


def test_doors_are_knocked_at_by_themselves(monkeypatch):
    monkeypatch.setattr(contact, "EVERY_S", 0.01)
    with opened() as port:
        pass
    with kept([Door("the head", "127.0.0.1", port, 0.0)]) as cluster:
        end = time.monotonic() + 20.0
        while not cluster.shut and time.monotonic() < end:
            time.sleep(0.01)
        with pytest.raises(ClusterError, match="the head"):
            cluster.check()
