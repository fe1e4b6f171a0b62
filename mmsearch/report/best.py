"""The card of the best configuration, in `[published]` shape: the next study can start from it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from mmsearch.report import card
from mmsearch.report.files import write_atomically
from mmsearch.report.standing import state_name
from mmsearch.study import Study
from mmsearch.study.plain import without_none
from mmsearch.trial import Completed, Record, Trial


def write_best_toml(
    record: Record, study: Study, path: Path, *, more: Mapping[str, Any] | None = None
) -> None:
    """Write the incumbent's card; without an incumbent, write nothing.

    The file's `[published]` table can replace that of a study file; `[study]` and `[validation]`
    are what training it again needs; `[provenance]` says what a paper must say. A checkpoint
    beside or below the file is given relative to its folder.

    Args:
        record: the study as it stands.
        study: as it is searched.
        path: of the card.
        more: tables by name that others know of, put before `[study]`.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    incumbent = record.incumbent
    if incumbent is None:
        return
    told = card.sections(record, study, incumbent)
    searched = told.pop("study")
    document = {
        "published": incumbent.config,
        **told,
        **(more or {}),
        "study": searched,
        "provenance": _provenance(record, study, incumbent, folder=path.parent),
    }
    written = tomli_w.dumps(without_none(document), multiline_strings=True)
    text = f"{_remark(record, incumbent)}\n{written}"
    write_atomically(path, text)


def _remark(record: Record, incumbent: Trial) -> str:
    completed = len(record.ranking)
    value = f"{record.metric} {incumbent.value!r} at epoch {incumbent.value_epoch}"
    lines = [
        f"Best of study {record.name!r} so far: trial {incumbent.number},",
        f"{value} ({record.direction}).",
        f"Published configuration: {_published(record)}.",
        f"This is one seed's winner out of {completed} completed trials: its value is optimistic.",
        "Train it under fresh seeds before printing a number.",
        "To start the next study here, put this [published] table into its file;",
        "to train it again: python -m mmsearch.train with this file.",
    ]
    return "".join(f"# {line}\n" for line in lines)


def _published(record: Record) -> str:
    published = record.published
    if published is None:
        return "not trained yet"
    if not isinstance(published.state, Completed):
        return f"trial {published.number} is {state_name(published.state)}, nothing to compare with"
    return (
        f"trial {published.number}, {record.metric} {published.value!r}"
        f" at epoch {published.value_epoch}"
    )


def _provenance(record: Record, study: Study, trial: Trial, *, folder: Path) -> dict[str, Any]:
    checkpoint = trial.checkpoint
    # Where a disk was full the last one is older, and does not hold the weights of the value.
    if checkpoint and checkpoint.epoch < (trial.value_epoch or 0):
        checkpoint = None
    return {
        "study": record.name,
        "method": study.method,
        "dataset": study.dataset,
        "study_hash": study.hash,
        "trial": trial.number,
        "metric": record.metric,
        "direction": record.direction,
        "value": trial.value,
        "value_epoch": trial.value_epoch,
        "seed": asdict(trial.seed),
        "checkpoint": _relative(checkpoint.uri, folder) if checkpoint else None,
        "space_hash": card.space_hash(study),
        **record.provenance,
        **card.sitting(record, trial),
    }


def _relative(uri: str, folder: Path) -> str:
    """A checkpoint's place as seen from the file's folder, or as it is where it lies elsewhere."""
    path = Path(uri.removeprefix("file://"))
    inside = path.is_absolute() and path.is_relative_to(folder.resolve())
    return path.relative_to(folder.resolve()).as_posix() if inside else uri
