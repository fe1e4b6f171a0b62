"""Doors that are knocked at: real ports of this machine, and a clock that a test moves."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

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
        assert cluster.lost() is None


def test_a_door_that_is_shut_for_longer_than_it_may_be_is_told_with_who_is_behind_it():
    clock = Clock()
    with opened() as port:
        pass
    cluster = Contact([Door("the head of the cluster", "127.0.0.1", port, 30.0)], clock=clock)
    cluster.knock()
    clock.now += 30.0
    cluster.knock()
    assert cluster.lost() is None
    clock.now += 1.0
    said = f"Ray: the head of the cluster at 127.0.0.1:{port} has not answered for 30 s"
    assert said in str(cluster.lost())
    assert "`ray up cluster.yaml`), go on with the same command" in str(cluster.lost())


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
    assert cluster.lost() is None


def test_one_shut_door_among_open_ones_is_enough():
    clock = Clock()
    with opened() as port, opened() as other:
        doors = [Door("the head", "127.0.0.1", port, 30.0), Door("it", "127.0.0.1", other, 1.0)]
        cluster = Contact(doors, clock=clock)
        cluster.knock()
    with opened(port):
        cluster.knock()
        clock.now += 2.0
        assert "it at 127.0.0.1" in str(cluster.lost())


def test_who_has_lost_the_cluster_is_told_once_while_nobody_asks(monkeypatch):
    monkeypatch.setattr(contact, "EVERY_S", 0.01)
    told: list[ClusterError] = []
    with opened() as port, kept([Door("the head", "127.0.0.1", port, 0.0)], told.append):
        time.sleep(0.1)
        assert not told
    with kept([Door("the head", "127.0.0.1", port, 0.0)], told.append):
        end = time.monotonic() + 20.0
        while not told and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
    (error,) = told
    assert "the head" in str(error)
