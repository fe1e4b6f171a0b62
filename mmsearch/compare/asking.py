"""What is asked for: a block of rows for each dataset, each row a search on the terms of the first.

Unusual: what all rows must have in common (seed, objective, budget, scheduler, sampler) is taken
from the first study, so that studies with rules of their own can be compared. Every row's search
is a study in the folder of the comparison.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.best.asking import FOLDER
from mmsearch.compare.entries import Entry, common_terms, entry_of, search_request, source_of
from mmsearch.compare.request import RACE_SHARE, Request
from mmsearch.errors import Problem, SelectionError
from mmsearch.selection.comparison import require_names
from mmsearch.selection.contest import KEPT
from mmsearch.selection.terms import race_terms, require_equal, terms_asked, terms_of
from mmsearch.study.files import journal_of
from mmsearch.tune import asking as searches


@dataclass(frozen=True)
class Block:
    """The rows of one dataset."""

    dataset: str
    folder: Path
    entries: tuple[Entry, ...]
    race_epochs: int
    """What each race may take."""


def answer(request: Request) -> tuple[Block, ...]:
    """The rows that a request names, checked as far as records and files tell.

    Raises:
        MmsearchError: a mistake in an option or a study, searches on record that are unequal, or a
            contradiction of a record.
    """
    _require_options(request)
    blocks = [_block(request, dataset) for dataset in request.datasets or (None,)]
    for block in blocks:
        require_names([entry.label for entry in block.entries], request.against)
        if not request.unequal:
            require_equal({one.label: _terms(request, block, one) for one in block.entries})
    return tuple(blocks)


def _require_options(request: Request) -> None:
    least = {"--seeds": (request.seeds, 2), "--candidates": (request.candidates, 1)}
    problems = [
        Problem(option, f"must be at least {low}, got {value}", f"Give {low} or more.")
        for option, (value, low) in least.items()
        if value < low
    ]
    if request.race_epochs is not None and request.race_epochs < 0:
        problems.append(Problem("--race-epochs", f"must be at least 0, got {request.race_epochs}"))
    if len(request.datasets) > 1 and "data" in request.machines:
        rule = f"one folder cannot hold {len(request.datasets)} datasets"
        problems.append(Problem("--data", rule, "Compare on one dataset at a time."))
    if problems:
        raise SelectionError(problems)


def _terms(request: Request, block: Block, entry: Entry) -> dict[str, str]:
    """Of a row, as far as they are on record or asked for."""
    from mmsearch import sampling

    if entry.record and not entry.search:
        told = terms_of(entry.record)
    else:
        told = terms_asked(entry.study.text)
    race = sampling.find(journal_of(entry.folder / FOLDER))
    asked = {f"{KEPT}{key}": value for key, value in race_asked(request, block).items()}
    return told | race_terms(entry.record, race, asked)


def race_asked(request: Request, block: Block) -> dict[str, Any]:
    """What every race is given, as `best` takes it."""
    return {
        "budget": str(block.race_epochs),
        "candidates": request.candidates,
        "seeds_at_least": request.seeds,
    }


def _block(request: Request, dataset: str | None) -> Block:
    first = source_of(request, request.methods[0], dataset)
    common = common_terms(request, first, dataset)
    of = str(dataset or tomllib.loads(first.text)["dataset"])
    folder = _folder(request, of)
    entries = [entry_of(request, one, common, of, folder) for one in request.methods]
    budget = entries[0].study.budget
    epochs = request.race_epochs
    if epochs is None:
        epochs = round(RACE_SHARE * budget.trials * budget.max_epochs)
    return Block(of, folder, tuple(entries), epochs)


def _folder(request: Request, dataset: str) -> Path:
    name = f"compare-{Path(dataset).stem}"
    if request.name is not None:
        several = len(request.datasets) > 1
        name = f"{request.name}-{Path(dataset).stem}" if several else request.name
    return searches.Place.of(search_request(request, "", {}, request.out, name), name).folder
