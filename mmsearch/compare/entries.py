"""The search of each row: a study file on the terms of the first row, or a search on record.

Unusual: a search on record beside the comparison is taken where it is just what would be searched.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.compare.request import Leaves, Request
from mmsearch.errors import Problem, SelectionError
from mmsearch.study import Study
from mmsearch.study.files import JOURNAL, at_home, journal_of
from mmsearch.trial import Record
from mmsearch.tune import asking as searches

COMMON = (
    "seed",
    "objective.metric",
    "objective.direction",
    "objective.epoch",
    "objective.others",
    "budget.trials",
    "budget.max_epochs",
    "budget.gpu_hours",
    "scheduler.kind",
    "scheduler.first_rung",
    "scheduler.reduction",
    "sampler.kind",
)
"""Of a study file: what all rows are given as the first has it."""


@dataclass(frozen=True)
class Entry:
    """One row's search."""

    label: str
    folder: Path
    study: Study
    record: Record | None
    """As it stands."""
    search: searches.Request | None
    """To be run or gone on with; None for a search that is taken as it is."""

    @property
    def is_searched(self) -> bool:
        """Whether all that is asked for is on record."""
        ended = sum(trial.ended for trial in self.record.trials) if self.record else 0
        return self.search is None or ended >= self.study.budget.trials


@dataclass(frozen=True)
class Source:
    """Where a row's study comes from."""

    text: str
    """Of the study, resolved, before anything is asked of it."""
    file: Path | None
    """None where it is on record and taken as it is."""
    folder: Path | None


def source_of(request: Request, wanted: str, dataset: str | None) -> Source:
    """A folder with a record, a study file, or a name of either."""
    given = at_home(wanted)
    if (given / JOURNAL).is_file():
        return _taken(given)
    own = f"{wanted}_{dataset}"
    file = studies.find(own) if own in studies.known() else None
    if file is None and not given.is_file() and wanted not in studies.known():
        below = request.out / wanted
        if (below / JOURNAL).is_file():
            return _taken(below)
    file = file or studies.find(wanted)
    return Source(studies.load(file, schema_of=methods.schema_of).text, file, None)


def _taken(folder: Path) -> Source:
    from mmsearch import sampling

    record = sampling.read(journal_of(folder.resolve()))
    if not all(trial.ended for trial in record.trials):
        rule = "its search has trials without an ending"
        raise SelectionError(Problem(str(folder), rule, "Go on with `mmsearch tune --resume`."))
    return Source(record.study_text, None, folder.resolve())


def common_terms(request: Request, first: Source, dataset: str | None) -> Leaves:
    """What all rows are given."""
    overrides = dict(request.overrides)
    if dataset is not None:
        overrides["dataset"] = dataset
    if first.file is None:
        document = tomllib.loads(first.text)
    else:
        study = studies.load(first.file, schema_of=methods.schema_of, overrides=overrides)
        document = tomllib.loads(study.text)
    return {key: _leaf(document, key) for key in COMMON} | overrides


def _leaf(document: Mapping[str, Any], key: str) -> Any:
    table, _, rest = key.partition(".")
    value = document.get(table)
    return value.get(rest) if rest and value is not None else value


def entry_of(request: Request, wanted: str, common: Leaves, dataset: str, folder: Path) -> Entry:
    """The search of a row.

    Args:
        request: what is asked for.
        wanted: what the user called the row.
        common: what all rows are given.
        dataset: of the block.
        folder: of the block.

    Raises:
        MmsearchError: no such study, a mistake in it, or a contradiction of its record.
    """
    from mmsearch import sampling

    source = source_of(request, wanted, dataset)
    label = Path(wanted).stem if source.file else Path(wanted).name
    if source.folder is not None:
        record = sampling.read(journal_of(source.folder))
        study = methods.study_of(record)
        _require_dataset(label, study, dataset)
        return Entry(label, source.folder, study, record, None)
    overrides = _overrides(request, source.text, common, dataset)
    search = search_request(request, str(source.file), overrides, folder, label)
    asked = searches.answer(search)
    entry = Entry(label, asked.place.folder, asked.study, asked.record, search)
    known = None if asked.record else _known(request.out / label, asked.study)
    return known or entry


def _overrides(request: Request, text: str, common: Leaves, dataset: str) -> dict[str, Any]:
    """What is asked of a study's file; nothing is taken out of it that it does not have."""
    document = tomllib.loads(text)
    asked: dict[str, Any] = {
        key: value
        for key, value in common.items()
        if value is not None or _leaf(document, key) is not None
    }
    if document["dataset"] != dataset and "data" in document:
        asked["data"] = None
    return {**asked, "dataset": dataset, **request.machines}


def search_request(
    request: Request, file: str, overrides: dict[str, Any], out: Path, name: str
) -> searches.Request:
    """As `tune` would be asked for a row's search."""
    return searches.Request(
        study=file,
        overrides=overrides,
        out=out,
        name=name,
        storage=None,
        address=request.address,
        resume=False,
        widen=False,
        dry_run=False,
    )


def _known(folder: Path, asked: Study) -> Entry | None:
    """A search on record beside the comparison that is just what is asked for, and over."""
    from mmsearch import sampling

    record = sampling.find(journal_of(folder.resolve()))
    if record is None or len(record.trials) != asked.budget.trials:
        return None
    study = methods.study_of(record)
    limits = (study.budget.gpu_hours, asked.budget.gpu_hours)
    over = all(trial.ended for trial in record.trials) and limits[0] == limits[1]
    if not over or studies.difference(study, asked):
        return None
    return Entry(folder.name, folder.resolve(), replace(study, name=record.name), record, None)


def _require_dataset(label: str, study: Study, dataset: str) -> None:
    if study.dataset != dataset:
        rule = f"was searched on {study.dataset}, and the table is of {dataset}"
        raise SelectionError(Problem(f"row {label!r}", rule, "Name its study file instead."))
