"""The page that is made beside a search: cheap, in time, and no reason to end one."""

import time
from pathlib import Path

import pytest
from test_look import begun, search, study_on

from mmsearch.cluster.troubles import Troubles
from mmsearch.tune import page as module
from mmsearch.tune.page import Page


def wait_for(page: Page, done) -> None:
    end = time.monotonic() + 200
    while not done():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)
        page.observed(None, ())  # type: ignore[arg-type]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.0)


def test_a_page_is_made_beside_the_search_and_the_next_one_waits(tmp_path, at_once):
    storage = f"journal://{tmp_path / 'study.journal'}"
    said: list[str] = []
    with study_on(storage, "mine") as ledger:
        search(ledger)
        page = Page(ledger.study, storage, tmp_path, Troubles(said.append))
        began = time.monotonic()
        page.observed(ledger.record().trials[0], ())
        assert time.monotonic() - began < 2.0
        wait_for(page, (tmp_path / "report.html").exists)
        wait_for(page, lambda: page._child is None)
        assert page._due > time.monotonic() + 60
        first = (tmp_path / "report.html").read_text()
        begun(ledger)
        page.write(ledger.record())
    assert said == []
    assert first.count('"number":') == 4
    assert (tmp_path / "report.html").read_text().count('"number":') == 5


def test_a_page_that_cannot_be_made_is_told_once_and_ends_nothing(tmp_path, at_once):
    storage = f"journal://{tmp_path / 'study.journal'}"
    said: list[str] = []
    with study_on(storage, "mine") as ledger:
        search(ledger)
        page = Page(ledger.study, storage + ".gone", tmp_path, Troubles(said.append))
        page.ended(ledger.record().trials[0])
        wait_for(page, lambda: said)
        (tmp_path / "report.html").mkdir()
        page.write(ledger.record())
    (told,) = said
    assert told.startswith("report cannot be written (StorageError:")
    assert told.endswith("the search goes on without")


def test_a_page_that_is_being_made_when_the_search_ends_is_ended(tmp_path, at_once):
    storage = f"journal://{tmp_path / 'study.journal'}"
    with study_on(storage, "mine") as ledger:
        search(ledger)
        page = Page(ledger.study, storage, tmp_path, Troubles())
        page.ended(ledger.record().trials[0])
        child = page._child
        page.write(ledger.record())
    assert child is not None
    assert child.poll() is not None
    left = [path.name for path in Path(tmp_path).iterdir() if path.name.startswith(".report")]
    assert left == []
