"""Fixtures of all tests: where the real data lies, and tiny networks that are made once, gangs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from toy_gang import Gang

    from mmsearch.training import Worker

ROOT = Path(__file__).resolve().parent.parent

# Tests run on as many processes as there are cores: threads within each would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Folder of a dataset that the project does not bundle; skips where it is missing."""

    def find(name: str) -> Path:
        base = Path(os.environ.get("MMSEARCH_TEST_DATA", ROOT.parent / "shared" / "data"))
        folder = base / name
        if not folder.is_dir():
            pytest.skip(f"real data is missing: no folder {folder}; set MMSEARCH_TEST_DATA")
        return folder

    return find


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of tiny networks as transformers writes them: see `toy_backbones.make`."""
    pytest.importorskip("transformers", reason="needs the packages of mmsearch[backbones]")
    from toy_backbones import make

    return make(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Worker"]:
    """A gang of one, in this process."""
    from toy_training import alone

    with alone(tmp_path_factory.mktemp("gang")) as one:
        yield one


@pytest.fixture(scope="module")
def gang(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Gang"]:
    """A gang of two processes."""
    from toy_gang import Gang

    two = Gang(tmp_path_factory.mktemp("gang"), 2)
    yield two
    two.close()
