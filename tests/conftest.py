"""Fixtures of all tests: where the real data lies, and tiny networks that are made once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
