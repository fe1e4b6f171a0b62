"""Feeds every reader what nobody wrote: mutations of small right files, and made-up contents.

Whatever a file holds, a reader gives data or raises MmsearchError, in bounded time; it starts no
program, opens no connection and writes no file. `python tests/fuzzing.py --minutes 10` searches
for counterexamples as long as you like; `test_fuzz` does for some seconds.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fuzzed_files import FILES, MADE, Content, Fuzzed
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning
from wrong_inputs import snapshot

from mmsearch.errors import MmsearchError

LONGEST_S = 20.0
"""Of this process's own time, for one example."""
FORBIDDEN = ("os.", "shutil.", "socket.connect", "subprocess.", "ctypes.", "pty.")
HARMLESS = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv")
BATCH = 50
"""Examples between two looks at the clock."""


class ForbiddenError(BaseException):
    """A reader did something that no data may make it do; no handler of exceptions hides it."""


@dataclass
class Watch:
    """Sees what this process does while a reader reads."""

    reading: bool = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.reading or event in HARMLESS:
            return
        if (event == "open" and _writes(*arguments)) or event.startswith(FORBIDDEN):
            self.reading = False
            raise ForbiddenError(event, *map(str, arguments))

    @contextmanager
    def over(self, folder: Path) -> Any:
        """Nothing forbidden, nothing written to the folder, no end of patience."""
        before, started = snapshot(folder), time.process_time()
        self.reading = True
        try:
            yield
        finally:
            self.reading = False
        assert snapshot(folder) == before, "something was written"
        assert time.process_time() - started < LONGEST_S, "took too long"


def _writes(_: object, mode: str | None, flags: int) -> bool:
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return bool(flags & writing) if mode is None else not set("wax+").isdisjoint(mode)


WATCH = Watch()
sys.addaudithook(WATCH)
# What a reader imports while it reads is no file of its own.
sys.dont_write_bytecode = True

# Mutations

Edit = tuple[str, float, float, bytes]
ODD = (b"\0", b"\xff", b"\x80", b"[", b"{", b'"', b"\n", b",", b"-", b"9" * 400, b"nan", b"1e999")
edits = st.tuples(
    st.sampled_from(["replace", "insert", "delete", "repeat", "move", "flip"]),
    st.floats(0, 1),
    st.floats(0, 0.1),
    st.binary(min_size=1, max_size=8) | st.sampled_from(ODD),
)


def edited(content: bytes, edit: Edit) -> bytes:
    """One change at some place of a file."""
    kind, at, share, new = edit
    start = int(at * len(content))
    end = start + int(share * len(content))
    before, part, after = content[:start], content[start:end], content[end:]
    return {
        "replace": before + new + content[start + len(new) :],
        "insert": before + new + content[start:],
        "delete": before + after,
        "repeat": before + part * 3 + after,
        "move": before + after + part,
        "flip": before + bytes(byte ^ new[0] for byte in part[:4]) + part[4:] + after,
    }[kind]


def mutations(seeds: Content) -> st.SearchStrategy[bytes]:
    """One of some right files, with a few changes."""

    def changed(content: bytes, changes: list[Edit]) -> bytes:
        for change in changes:
            content = edited(content, change)
        return content

    return st.builds(changed, st.sampled_from(seeds), st.lists(edits, min_size=1, max_size=4))


# Search

STRATEGIES: dict[str, tuple[Fuzzed, st.SearchStrategy[Any]]] = {
    **{f"{one.name}, mutated": (one, mutations(one.seeds)) for one in FILES},
    **{f"{one.name}, made up": (one, made) for one, made in MADE},
}
"""By what is fed."""


def fed(one: Fuzzed, folder: Path, content: Any) -> None:
    """A reader reads a content."""
    one.put(folder, content)
    with WATCH.over(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not one that MMSA lists")
        try:
            one.read(folder)
        except MmsearchError as error:
            for problem in error.problems:
                assert "\n" not in str(problem)


def fuzz(name: str, *, seconds: float, start: int = 0) -> int:
    """Searches for that long; how many examples were tried.

    Raises:
        AssertionError: slow, or something was written.
        ForbiddenError: a program was started, a file or a connection opened.
        Exception: whatever a reader raised that is no MmsearchError, with the example in a note.
    """
    one, strategy = STRATEGIES[name]
    tried = 0
    ends = time.monotonic() + seconds

    with tempfile.TemporaryDirectory() as folder:
        one.prepare(Path(folder))

        def example(content: Any) -> None:
            nonlocal tried
            tried += 1
            fed(one, Path(folder), content)

        number = start
        while time.monotonic() < ends:
            _batch(example, strategy, number)
            number += 1
    return tried


def _batch(example: Callable[[Any], None], strategy: st.SearchStrategy[Any], number: int) -> None:
    run = settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(given(strategy)(example))
    with warnings.catch_warnings():
        # Of a failure's example, which may be long.
        warnings.filterwarnings("ignore", category=HypothesisWarning)
        seed(number)(run)()


def main() -> None:
    """Every reader in turn, for the same time; prints how many examples each was fed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default="", help="a part of the names of what is fed")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    names = [name for name in STRATEGIES if arguments.only in name]
    run = partial(fuzz, seconds=60 * arguments.minutes / len(names), start=arguments.seed)
    warnings.simplefilter("error")
    for name in names:
        print(f"{name:32} {run(name):8} examples", flush=True)


if __name__ == "__main__":
    main()
