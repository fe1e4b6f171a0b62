"""Opens a record: to drive its study, or only to read it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from mmsearch.errors import ConflictError, Problem, StorageError
from mmsearch.provenance import overrides, sittings
from mmsearch.sampling.ahead import Proposer
from mmsearch.sampling.book import Book, Header, plain
from mmsearch.sampling.generations import Generation, Generations, Holds, shelves
from mmsearch.sampling.ledger import Ledger, record_of
from mmsearch.sampling.naming import split
from mmsearch.sampling.storage import Store, driving, is_there, reading, require_drivable
from mmsearch.study import FREE, PASSING, Study, changes
from mmsearch.trial import Record


def open_ledger(
    url: str,
    study: Study,
    *,
    provenance: Mapping[str, Any],
    resume: bool,
    holds: Holds = lambda _: False,
    proposer: Proposer | None = None,
) -> Ledger:
    """Opens the record of a study as its only driver; leave it with `with` or `Ledger.leave`.

    What a killed driver left half done is completed first.

    Args:
        url: `journal:///absolute/path/study.journal`, `sqlite:////absolute/path`, or a database
            that Optuna knows.
        study: as asked for in this sitting. Where `study.difference` finds something between it
            and the one on record, it goes on as a new generation; that `study.widens` allows it,
            and the user wants it, is for the caller to check.
        provenance: what this sitting runs on, plain data. Where a resumed sitting's differs from
            the earlier ones', or it asks for something else, it is added under `resumed`.
        resume: whether the study is on record already.
        holds: tells which checkpoints are still there, for a new generation.
        proposer: says what is trained; the study's sampler if None.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, held by another
            driver, or nothing to resume.
        ConflictError: on record although not resumed, or other data than on record.
    """
    resources = ExitStack()
    try:
        store = resources.enter_context(driving(url, study.name, create=not resume))
        facts = plain(dict(provenance))
        if resume:
            book, header = _resume(store, study, facts, holds)
        else:
            book, header = _start(store, study, facts)
        return Ledger(study, book, header, leave=resources.close, proposer=proposer)
    except BaseException:
        resources.close()
        raise


def read(url: str, name: str | None = None) -> Record:
    """The record as it stands, while another process may write it; nothing is written.

    Args:
        url: see `open_ledger`.
        name: of the study, for its newest generation, or `<name>@<generation>`; may be left out
            where the storage holds one study.

    Raises:
        StorageError: absent, unreadable, damaged, of another schema version, or without the study.
    """
    with reading(url) as store:
        known = shelves(store)
        found = _wanted(store, known, name)
        if found is None:
            wanted = f"the study {name!r}" if name is not None else "a study"
            raise StorageError(
                Problem(store.place, f"the record does not hold {wanted}", _others(known))
            )
        return _record(found)


def read_all(url: str) -> tuple[Record, ...]:
    """The newest generation of every study of a storage, by name; nothing is written.

    Raises:
        StorageError: absent, unreadable, damaged, or of another schema version.
    """
    with reading(url) as store:
        found = {name: one.find() for name, one in sorted(shelves(store).items())}
        return tuple(_record(one) for one in found.values() if one)


def find(url: str, name: str | None = None) -> Record | None:
    """The record as `read` gives it, or None where the study is not on record yet.

    Raises:
        StorageError: unreadable, damaged, or of another schema version.
    """
    if not is_there(url):
        return None
    with reading(url) as store:
        found = _wanted(store, shelves(store), name)
        return _record(found) if found else None


def check(url: str, record: Record | None, *, data: str) -> None:
    """Whether `open_ledger` will find what it needs; nothing is written.

    Args:
        url: see `open_ledger`.
        record: what `find` gave.
        data: fingerprint of the data of this sitting.

    Raises:
        StorageError: it could not be written or made, or has a driver.
        ConflictError: other data than on record.
    """
    require_drivable(url)
    if record:
        _same_data(record.name, record.provenance, data)


def _wanted(store: Store, known: Mapping[str, Generations], name: str | None) -> Generation | None:
    if name is None and len(known) > 1:
        rule = f"the record holds several studies: {', '.join(sorted(known))}"
        raise StorageError(Problem(store.place, rule, "Say which one with --name."))
    study, number = split(next(iter(known), "") if name is None else name)
    return known[study].find(number) if study in known else None


def _record(found: Generation) -> Record:
    return record_of(found.book, found.header, [h.trial for h in found.book.histories()])


def _start(store: Store, study: Study, provenance: Mapping[str, Any]) -> tuple[Book, Header]:
    generations = shelves(store).get(study.name) or Generations(store, study.name)
    if generations.find():
        rule = f"study {study.name!r} is already on record"
        way_out = "Add --resume to go on with it, or use another --name."
        raise ConflictError(Problem(store.place, rule, way_out))
    header = _header(study, provenance)
    return generations.begin(header), header


def _resume(
    store: Store, study: Study, provenance: Mapping[str, Any], holds: Holds
) -> tuple[Book, Header]:
    known = shelves(store)
    generations = known.get(study.name)
    found = generations.find() if generations else None
    if generations is None or found is None:
        rule = f"study {study.name!r} is not on record, so it cannot be resumed"
        way_out = f"Start it without --resume. {_others(known)}".strip()
        raise StorageError(Problem(store.place, rule, way_out))
    header = _continued(found, study, provenance)
    generations.settle(found)
    if not changes(found.header.text, study.text, but=FREE):
        found.book.revise(header, before=found.header)
        return found.book, header
    Ledger(study, found.book, found.header, leave=lambda: None)  # completes what was half told
    return generations.add(study, header, after=found, holds=holds), header


def _header(study: Study, provenance: Mapping[str, Any]) -> Header:
    return Header(
        metric=study.objective.metric,
        direction=study.objective.direction,
        text=study.text,
        hash=study.hash,
        provenance=provenance,
    )


def _continued(found: Generation, study: Study, now: Mapping[str, Any]) -> Header:
    """The header as this sitting leaves it: the text that it asks for, and its provenance.

    Raises:
        ConflictError: other data than on record.
    """
    first = found.header.provenance
    before = sittings(first)
    _same_data(study.name, first, _data(now))
    changed = changes(found.header.text, study.text, but=PASSING)
    sitting = {**now, "changes": changed} if changed else now
    if _is_news(sitting, before):
        first = {**first, "resumed": [*before[1:], sitting]}
    return replace(found.header, text=study.text, hash=study.hash, provenance=first)


def _same_data(name: str, first: Mapping[str, Any], data: str | None) -> None:
    if _data(first) != data:
        rule = f"the data is not what the study was started on (SHA-256 {_data(first)}), got {data}"
        way_out = "Bring back the files, or start another study with --name."
        raise ConflictError(Problem(f"study {name!r}", rule, way_out))


def _data(provenance: Mapping[str, Any]) -> str | None:
    return provenance.get("fingerprints", {}).get("data")


def _is_news(sitting: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a sitting is worth a word: on something else than any before, or asking for more.

    A change that the last sitting put on record, and was killed before it made it, is none.
    """
    if "changes" in sitting:
        return _facts(sitting) != _facts(before[-1])
    asked = overrides(before[0])
    known = [_facts(facts, but="changes") for facts in before]
    more = {**asked, **sitting.get("overrides", {})} != asked
    return more or _facts(sitting) not in known


def _facts(provenance: Mapping[str, Any], *, but: str = "") -> dict[str, Any]:
    """What makes two sittings differ: not when they began, nor how the study was asked for."""
    passing = {"collected_at", "overrides", "resumed", but}
    return {key: value for key, value in provenance.items() if key not in passing}


def _others(known: Mapping[str, Generations]) -> str:
    return f"Studies on record: {', '.join(sorted(known))}." if known else ""
