"""`mmsearch ls`: the studies of a folder or a storage, a line each."""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from mmsearch.errors import MmsearchError
from mmsearch.look.finding import folders
from mmsearch.report import STATES, summary
from mmsearch.study.files import JOURNAL
from mmsearch.trial import Completed, Record

HEADS = ("study", "method", "dataset", "state", "trials", "incumbent", "published", "written")


def listing(studies: Iterable[tuple[str, Record | MmsearchError, str]]) -> list[str]:
    """Lines of a table of studies; what cannot be read has a line that says why."""
    rows: list[list[str]] = [list(HEADS)]
    for name, found, written in studies:
        if isinstance(found, MmsearchError):
            why = str(found.problems[0].rule)
            rows.append([name, "", "", "cannot be read", why, "", "", written])
        else:
            rows.append([*_row(name, found), written])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def of_folder(out: Path) -> Iterator[tuple[str, Record | MmsearchError, str]]:
    """Each study below a folder: its name, its record or why there is none, when it was written."""
    from mmsearch import sampling

    for folder in folders(out):
        written = datetime.fromtimestamp((folder / JOURNAL).stat().st_mtime).astimezone()
        try:
            found: Record | MmsearchError = sampling.read(
                f"journal://{(folder / JOURNAL).resolve()}"
            )
        except MmsearchError as error:
            found = error
        yield folder.name, found, f"{written:%Y-%m-%d %H:%M}"


def of_storage(url: str) -> Iterator[tuple[str, Record | MmsearchError, str]]:
    """Each study of a storage; when it was last written is when something happened to a trial.

    Raises:
        StorageError: the storage cannot be read.
    """
    from mmsearch import sampling

    for record in sampling.read_all(url):
        moments = [
            moment
            for trial in record.trials
            for moment in (trial.started_at, trial.ended_at)
            if moment is not None
        ]
        last = datetime.fromtimestamp(max(moments)).astimezone() if moments else None
        yield record.name, record, f"{last:%Y-%m-%d %H:%M}" if last else ""


def _row(name: str, record: Record) -> list[str]:
    counts = summary(record).counts
    text = tomllib.loads(record.study_text)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    ended = sum(trial.ended for trial in record.trials)
    budget = int(text["budget"]["trials"])
    best, published = record.incumbent, record.published
    compared = published and isinstance(published.state, Completed)
    return [
        name,
        str(text["method"]),
        str(text["dataset"]),
        "finished" if ended >= budget else f"{ended} of {budget}",
        told or "none",
        f"{best.value:.4f}" if best else "",
        f"{published.value:.4f}" if published and compared else "",
    ]
