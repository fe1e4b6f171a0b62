"""Opens a record: to drive its study, or only to read it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from optuna.storages import BaseStorage

from mmsearch.errors import ConflictError, Problem, StorageError
from mmsearch.sampling.book import Book, Header, books, plain, shelve
from mmsearch.sampling.ledger import Ledger, record_of
from mmsearch.sampling.storage import driving, looking, place_of, reading
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
        storage = resources.enter_context(driving(url, create=not resume))
        open_book = _resume if resume else _start
        book, header = open_book(url, storage, study, plain(dict(provenance)))
        return Ledger(study, book, header, leave=resources.close)
    except BaseException:
        resources.close()
        raise


def check(url: str, name: str, *, data: str, resume: bool) -> None:
    """Whether `open_ledger` will find what it needs; nothing is written.

    Args:
        url: see `open_ledger`.
        name: of the study.
        data: fingerprint of the data of this sitting.
        resume: whether the study is on record already.

    Raises:
        StorageError: as `open_ledger`, and where a record that is not there could not be made.
        ConflictError: on record although not resumed, or other data than on record.
    """
    with looking(url) as storage:
        known = _named(url, storage) if storage else {}
        book = known.get(name)
        header = book.header() if book else None
    if header and not resume:
        raise _recorded(url, name)
    if header:
        _same_data(name, header, data)
    elif resume:
        raise _unrecorded(url, name, known)


def read(url: str, name: str | None = None) -> Record:
    """The record as it stands, while another process may write it; nothing is written.

    Args:
        url: see `open_ledger`.
        name: of the study; may be left out where the storage holds one study.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, or without the study.
    """
    with reading(url) as storage:
        known = _named(url, storage)
        if name is None and len(known) > 1:
            rule = f"the record holds several studies: {', '.join(sorted(known))}"
            raise StorageError(Problem(place_of(url), rule, "Say which one with --name."))
        book = known.get(name) if name is not None else next(iter(known.values()), None)
        header = book.header() if book else None
        if book is None or header is None:
            wanted = f"the study {name!r}" if name is not None else "a study"
            raise StorageError(
                Problem(place_of(url), f"the record does not hold {wanted}", _others(known))
            )
        return record_of(book.name, header, [history.trial for history in book.histories()])


def _start(
    url: str, storage: BaseStorage, study: Study, provenance: Mapping[str, Any]
) -> tuple[Book, Header]:
    book = _named(url, storage).get(study.name)
    if book and book.header():
        raise _recorded(url, study.name)
    book = book or shelve(url, storage, study.name, study.objective.direction)
    header = _header(study, provenance)
    book.begin(header)
    return book, header


def _resume(
    url: str, storage: BaseStorage, study: Study, provenance: Mapping[str, Any]
) -> tuple[Book, Header]:
    known = _named(url, storage)
    book = known.get(study.name)
    header = book.header() if book else None
    if book is None or header is None:
        raise _unrecorded(url, study.name, known)
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
    _same_data(book.name, header, _data(now))
    if _facts(now) in [_facts(facts) for facts in (first, *later)]:
        return header
    header = replace(header, provenance={**first, "resumed": [*later, now]})
    book.annotate(header.provenance)
    return header


def _same_data(name: str, header: Header, data: str | None) -> None:
    before = _data(header.provenance)
    if before != data:
        rule = f"the data is not what the study was started on (SHA-256 {before}), got {data}"
        way_out = "Bring back the files, or start another study with --name."
        raise ConflictError(Problem(f"study {name!r}", rule, way_out))


def _data(provenance: Mapping[str, Any]) -> str | None:
    return provenance.get("fingerprints", {}).get("data")


def _facts(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two sittings differ: not when they began, nor how the study was asked for."""
    passing = {"collected_at", "overrides", "resumed"}
    return {key: value for key, value in provenance.items() if key not in passing}


def _named(url: str, storage: BaseStorage) -> dict[str, Book]:
    return {book.name: book for book in books(url, storage)}


def _recorded(url: str, name: str) -> ConflictError:
    way_out = "Add --resume to go on with it, or use another --name."
    return ConflictError(Problem(place_of(url), f"study {name!r} is already on record", way_out))


def _unrecorded(url: str, name: str, known: Mapping[str, Book]) -> StorageError:
    rule = f"study {name!r} is not on record, so it cannot be resumed"
    way_out = f"Start it without --resume. {_others(known)}".strip()
    return StorageError(Problem(place_of(url), rule, way_out))


def _others(known: Mapping[str, Book]) -> str:
    return f"Studies on record: {', '.join(sorted(known))}." if known else ""
