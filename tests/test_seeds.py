"""Seeds: the same four facts give the same stream, and any other fact another one."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from mmsearch.seeds import Seed, derive

facts = st.tuples(
    st.integers(0, 2**63), st.integers(0, 9999), st.integers(0, 99), st.text(max_size=20)
)


def test_streams_are_the_same_on_every_machine_and_in_every_version() -> None:
    digest = sha256(b"mmsearch/1/0/3/0/weights").hexdigest()
    assert derive(0, 3, 0, "weights") == int(digest[:16], 16) // 2 == 7332007094865798081


@given(facts)
def test_a_stream_is_a_seed_that_every_generator_takes(fact: tuple[int, int, int, str]) -> None:
    assert 0 <= derive(*fact) < 2**63


@given(st.lists(facts, min_size=2, max_size=2, unique=True))
def test_different_facts_give_different_streams(pair: list[tuple[int, int, int, str]]) -> None:
    left, right = pair
    assert derive(*left) != derive(*right)


def test_a_seed_is_the_root_of_its_trials_streams() -> None:
    assert Seed(7, 3).stream("order/1") == derive(7, 3, 0, "order/1")
    assert Seed(7, 3, replicate=2).stream("order/1") == derive(7, 3, 2, "order/1")
