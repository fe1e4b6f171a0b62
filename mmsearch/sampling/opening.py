"""Opens a record: to drive its study, or only to read it."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from mmsearch.errors import ConflictError, Problem, StorageError
from mmsearch.sampling.book import Book, Header, books, plain, shelve
from mmsearch.sampling.ledger import Ledger, record_of
from mmsearch.sampling.storage import Store, driving, reading
from mmsearch.study import Study
from mmsearch.trial import Record


def open_ledger(url: str, study: Study, *, provenance: Mapping[str, Any], resume: bool) -> Ledger:
    """Opens the record of a study as its only driver; leave it with `with` or `Ledger.leave`.

    What a killed driver left half done is completed first.

    Args:
        url: `journal:///absolute/path/study.journal`, `sqlite:////absolute/path`, or a database
            that Optuna knows.
        study: as asked for in this sitting; that it may differ from the one on record only where
            `study.difference` says so is for the caller to check.
        provenance: what this sitting runs on, plain data. Where a resumed sitting's differs from
            the earlier ones', it is added under `resumed`.
        resume: whether the study is on record already.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, held by another
            driver, or nothing to resume.
        ConflictError: on record although not resumed, or other data than on record.
    """
    resources = ExitStack()
    try:
        store = resources.enter_context(driving(url, study.name, create=not resume))
        open_book = _resume if resume else _start
        book, header = open_book(store, study, plain(dict(provenance)))
        return Ledger(study, book, header, leave=resources.close)
    except BaseException:
        resources.close()
        raise


def read(url: str, name: str | None = None) -> Record:
    """The record as it stands, while another process may write it; nothing is written.

    Args:
        url: see `open_ledger`.
        name: of the study; may be left out where the storage holds one study.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, or without the study.
    """
    with reading(url) as store:
        known = _named(store)
        if name is None and len(known) > 1:
            rule = f"the record holds several studies: {', '.join(sorted(known))}"
            raise StorageError(Problem(store.place, rule, "Say which one with --name."))
        book = known.get(name) if name is not None else next(iter(known.values()), None)
        header = book.header() if book else None
        if book is None or header is None:
            wanted = f"the study {name!r}" if name is not None else "a study"
            raise StorageError(
                Problem(store.place, f"the record does not hold {wanted}", _others(known))
            )
        return record_of(book.name, header, [history.trial for history in book.histories()])


def _start(store: Store, study: Study, provenance: Mapping[str, Any]) -> tuple[Book, Header]:
    book = _named(store).get(study.name)
    if book and book.header():
        rule = f"study {study.name!r} is already on record"
        way_out = "Add --resume to go on with it, or use another --name."
        raise ConflictError(Problem(store.place, rule, way_out))
    book = book or shelve(store, study.name, study.objective.direction)
    header = _header(study, provenance)
    book.begin(header)
    return book, header


def _resume(store: Store, study: Study, provenance: Mapping[str, Any]) -> tuple[Book, Header]:
    known = _named(store)
    book = known.get(study.name)
    header = book.header() if book else None
    if book is None or header is None:
        rule = f"study {study.name!r} is not on record, so it cannot be resumed"
        way_out = f"Start it without --resume. {_others(known)}".strip()
        raise StorageError(Problem(store.place, rule, way_out))
    return book, _resumed(book, header, provenance)


def _header(study: Study, provenance: Mapping[str, Any]) -> Header:
    return Header(
        metric=study.objective.metric,
        direction=study.objective.direction,
        text=study.text,
        hash=study.hash,
        provenance=provenance,
    )


def _resumed(book: Book, header: Header, now: Mapping[str, Any]) -> Header:
    """The header with this sitting's provenance, where it differs from those on record."""
    first, later = header.provenance, list(header.provenance.get("resumed", []))
    data = [facts.get("fingerprints", {}).get("data") for facts in (first, now)]
    if data[0] != data[1]:
        rule = f"the data is not what the study was started on (SHA-256 {data[1]}, was {data[0]})"
        way_out = "Bring back the files, or start another study with --name."
        raise ConflictError(Problem(f"study {book.name!r}", rule, way_out))
    if _facts(now) in [_facts(facts) for facts in (first, *later)]:
        return header
    return book.annotate(header, {**first, "resumed": [*later, now]})


def _facts(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two sittings differ: not when they began, nor how the study was asked for."""
    passing = {"collected_at", "overrides", "resumed"}
    return {key: value for key, value in provenance.items() if key not in passing}


def _named(store: Store) -> dict[str, Book]:
    return {book.name: book for book in books(store)}


def _others(known: Mapping[str, Book]) -> str:
    return f"Studies on record: {', '.join(sorted(known))}." if known else ""
