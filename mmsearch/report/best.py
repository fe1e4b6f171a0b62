"""The best configuration in `[published]` shape: the next study can start from it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import tomli_w

from mmsearch.report.files import write_atomically
from mmsearch.report.standing import state_name, summary
from mmsearch.study import Study
from mmsearch.trial import Completed, Record, Trial


def write_best_toml(record: Record, study: Study, path: Path) -> None:
    """Write the incumbent with where it comes from; without an incumbent, write nothing.

    The file's `[published]` table can replace that of a study file; `[provenance]` says what a
    paper must say. A checkpoint beside or below the file is given relative to its folder.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    incumbent = record.incumbent
    if incumbent is None:
        return
    document = {
        "published": without_none(incumbent.config),
        "provenance": without_none(_provenance(record, study, incumbent, folder=path.parent)),
    }
    text = f"{_remark(record, incumbent)}\n{tomli_w.dumps(document)}"
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
        "To start the next study here, put this [published] table into its file.",
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
        "trials": summary(record).counts,
        **record.provenance,
    }


def _relative(uri: str, folder: Path) -> str:
    """A checkpoint's place as seen from the file's folder, or as it is where it lies elsewhere."""
    path = Path(uri.removeprefix("file://"))
    inside = path.is_absolute() and path.is_relative_to(folder.resolve())
    return path.relative_to(folder.resolve()).as_posix() if inside else uri


def without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table that TOML can hold: a key without a value is a key that is absent."""
    return {key: _plain(value) for key, value in table.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_none(cast("Mapping[str, Any]", value))
    return value
