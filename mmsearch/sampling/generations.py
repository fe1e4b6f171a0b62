"""Generations of a study: what it was searched in so far, gone on with in another space.

Optuna adds no value to a choice and reopens no trial. So a study that is asked for with another
space, or with more epochs, goes on as a copy of its record in an Optuna study of its own,
`selfmi@2`, and the one before stays as it is. Trials keep number, configuration, seed and
observations. What they reached at each rung is read off their observations. A trial that lies
outside the new space keeps what it has, and the sampler does not model it.

With more epochs a trial that completed by reaching the old number of them is completed no more:

* the published one, and one whose checkpoint is still there, are live again, to be trained on;
* another one counts as stopped at the last rung it reached, since nothing can train it on;
* one that reached no rung is live again as well, to be trained from its start.

A trial that its own patience ended stays completed, and stopped and failed ones stay what they are.

Unusual: a generation counts once its header is written, which comes last. What a killed driver
left of one is passed over by readers, and the next driver makes it anew.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace

from mmsearch.sampling import entries, halving, proposals
from mmsearch.sampling.book import (
    CONTINUED_BY,
    CONTINUES,
    Book,
    Header,
    History,
    books,
    shelve,
)
from mmsearch.sampling.entries import Entry
from mmsearch.sampling.naming import split, title
from mmsearch.sampling.storage import Store
from mmsearch.study import Study
from mmsearch.trial import Checkpoint, Completed, Trial

Holds = Callable[[Checkpoint], bool]
"""Whether a checkpoint is still there."""


@dataclass(frozen=True)
class Generation:
    """One generation that counts."""

    number: int
    book: Book
    header: Header


class Generations:
    """All that a storage holds of one study."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._books: dict[int, Book] = {}

    def hold(self, number: int, book: Book) -> None:
        """A generation that was found, whole or not."""
        self._books[number] = book

    def find(self, number: int | None = None) -> Generation | None:
        """The newest generation that counts, or that of this number; None if there is none."""
        numbers = sorted(self._books, reverse=True) if number is None else [number]
        for one in numbers:
            book = self._books.get(one)
            header = book.header() if book else None
            if book and header:
                return Generation(one, book, header)
        return None

    def begin(self, header: Header) -> Book:
        """Makes the first generation, or completes the header that a killed driver began."""
        book = self._books.get(1) or self._shelved(1, header)
        book.begin(header)
        return book

    def settle(self, newest: Generation) -> None:
        """Completes or removes what a killed driver left around the newest generation.

        Only the driver may call it.
        """
        for number, book in self._books.items():
            if number > newest.number:
                book.discard()
        before = self._books.get(newest.number - 1)
        if before and not before.marked(CONTINUED_BY):
            before.mark(CONTINUED_BY, newest.book.name)

    def add(self, study: Study, header: Header, *, after: Generation, holds: Holds) -> Book:
        """Makes the next generation.

        Args:
            study: with the new space and epochs.
            header: of the new generation.
            after: the newest one, which a ledger has caught up with.
            holds: tells which checkpoints are still there.
        """
        full = int(tomllib.loads(after.header.text)["budget"]["max_epochs"])
        book = self._shelved(after.number + 1, header)
        book.mark(CONTINUES, after.book.name)
        for history in after.book.histories():
            trial, told = carried(history, study, full=full, holds=holds)
            fits = proposals.belongs(study, trial.config)
            # Optuna takes no value outside what the study's other trials are drawn from.
            values = proposals.parameters(study, trial) if fits else ({}, {})
            book.create(trial, *values, event=history.proposed, told=told)
        book.begin(header)
        after.book.mark(CONTINUED_BY, book.name)
        return book

    def _shelved(self, number: int, header: Header) -> Book:
        return shelve(self._store, title(self._name, number), header.direction)


def shelves(store: Store) -> dict[str, Generations]:
    """All studies of a storage, by name."""
    found: dict[str, Generations] = {}
    for book in books(store):
        name, number = split(book.name)
        found.setdefault(name, Generations(store, name)).hold(number or 1, book)
    return found


def carried(
    history: History, study: Study, *, full: int, holds: Holds
) -> tuple[Trial, tuple[Entry, ...]]:
    """A trial and its entries, as the next generation has them.

    Args:
        history: of the trial in the generation before.
        study: of the next generation.
        full: epochs of a completed trial in the generation before.
        holds: tells which checkpoints are still there.
    """
    old = history.trial
    told: list[Entry] = []
    fits = proposals.belongs(study, old.config)
    trial = Trial(
        number=old.number,
        config=old.config,
        coordinates=study.coordinates(old.config) if fits else old.coordinates,
        seed=old.seed,
        seen=old.seen,
        started_at=old.started_at,
    )
    for entry in history.entries:
        kept = _kept(entry, trial, study, full=full, holds=holds)
        if kept:
            told.append(kept)
            trial = entries.applied(trial, kept)
    return trial, tuple(told)


def _kept(entry: Entry, trial: Trial, study: Study, *, full: int, holds: Holds) -> Entry | None:
    """An entry as the next generation has it; None for an ending that is none any more."""
    if entry.key == "ending":
        return _ending(entry, trial, study, full=full, holds=holds)
    entry = entries.undecided(entry)
    if not entry.key.startswith("observations/"):
        return entry
    seen = entries.applied(trial, entry).observations
    return entries.at_rungs(entry, halving.rungs_of(study, seen, after=trial.epoch))


def _ending(entry: Entry, trial: Trial, study: Study, *, full: int, holds: Holds) -> Entry | None:
    """The ending of a trial when full fidelity is further off than it was; None if it lives."""
    state = entries.applied(trial, entry).state
    reached = isinstance(state, Completed) and trial.epoch == full < study.budget.max_epochs
    if not reached or _impatient(trial, study):
        return entry
    held = trial.checkpoint is not None and holds(trial.checkpoint)
    if trial.published or held or not trial.rungs:
        return None
    return entries.stopped_instead(entry, rung=max(trial.rungs))


def _impatient(trial: Trial, study: Study) -> bool:
    """Whether its own patience would have ended the trial where it ended, however many epochs."""
    best = replace(study.objective, epoch="best").at(trial.observations, trial.epoch)
    assert best, "a completed trial was observed"
    return 0 < trial.config.get("patience", 0) <= trial.epoch - best[1]
