"""Opens a record: to drive its study, or only to read it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from mmsearch.errors import ConflictError, Problem, StorageError
from mmsearch.sampling.book import Book, Header, books, plain, shelve
from mmsearch.sampling.ledger import Ledger, record_of
from mmsearch.sampling.storage import driving, reading
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
    with ExitStack() as stack:
        storage = stack.enter_context(driving(url, create=not resume))
        known = {book.name: book for book in books(url, storage)}
        book = known.get(study.name)
        header = book.header() if book else None
        if resume:
            if book is None or header is None:
                raise _nothing_to_resume(url, study.name, list(known))
            header = _resumed(book, header, plain(dict(provenance)))
        else:
            if header is not None:
                raise _already_there(url, study.name)
            book = book or shelve(url, storage, study.name, study.objective.direction)
            header = _header(study, plain(dict(provenance)))
            book.begin(header)
        return Ledger(study, book, header, resources=stack.pop_all())
    raise AssertionError


def read(url: str, name: str | None = None) -> Record:
    """The record as it stands, while another process may write it; nothing is written.

    Args:
        url: see `open_ledger`.
        name: of the study; may be left out where the storage holds one study.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, or without the study.
    """
    with reading(url) as storage:
        known = {book.name: book for book in books(url, storage)}
        if name is None and len(known) > 1:
            rule = f"the record holds several studies: {', '.join(sorted(known))}"
            raise StorageError(Problem(url, rule, "Say which one with --name."))
        book = known.get(name) if name is not None else next(iter(known.values()), None)
        header = book.header() if book else None
        if book is None or header is None:
            wanted = f"the study {name!r}" if name is not None else "a study"
            raise StorageError(Problem(url, f"the record does not hold {wanted}", _have(known)))
        return record_of(book.name, header, [history.trial for history in book.histories()])


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
    header = replace(header, provenance={**first, "resumed": [*later, now]})
    book.annotate(header.provenance)
    return header


def _facts(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two sittings differ: not when they began, nor how the study was asked for."""
    passing = {"collected_at", "overrides", "resumed"}
    return {key: value for key, value in provenance.items() if key not in passing}


def _already_there(url: str, name: str) -> ConflictError:
    rule = f"study {name!r} is already on record"
    return ConflictError(Problem(url, rule, "Go on with --resume, or use another --name."))


def _nothing_to_resume(url: str, name: str, known: list[str]) -> StorageError:
    rule = f"study {name!r} is not on record, so it cannot be resumed"
    return StorageError(Problem(url, rule, f"Start it without --resume. {_have(known)}".strip()))


def _have(known: object) -> str:
    names = sorted(known) if isinstance(known, (list, dict)) else []
    return f"Studies on record: {', '.join(names)}." if names else ""
