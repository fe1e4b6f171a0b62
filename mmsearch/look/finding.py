"""Finds the study that a user means: a folder, a name, or the URL of a storage."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import Problem, StorageError, StudyError, closest
from mmsearch.study.files import JOURNAL
from mmsearch.trial import Record, Trial


@dataclass(frozen=True)
class Found:
    """A study on record."""

    record: Record
    url: str
    """Of its storage."""
    folder: Path | None
    """That holds the record; None where it lies in another storage."""


def find(wanted: str, *, out: Path, name: str | None = None) -> Found:
    """The study of this folder, of this name below `out`, or in the storage at this URL.

    Args:
        wanted: what the user wrote.
        out: folder that holds the studies.
        name: of the study, where the storage holds several.

    Raises:
        StorageError: there is none, with the closest name; or it cannot be read.
    """
    from mmsearch import sampling

    if "://" in wanted:
        return Found(sampling.read(wanted, name), wanted, None)
    for folder in (Path(wanted), out / wanted):
        journal = folder if folder.name == JOURNAL else folder / JOURNAL
        if journal.is_file():
            url = f"journal://{journal.resolve()}"
            return Found(sampling.read(url, name), url, journal.resolve().parent)
    raise StorageError(_nothing(wanted, out))


def folders(out: Path) -> Iterator[Path]:
    """Folders of studies in a folder, by name."""
    if out.is_dir():
        yield from sorted(path.parent for path in out.glob(f"*/{JOURNAL}"))


def trial_of(record: Record, number: int) -> Trial:
    """The trial of this number.

    Raises:
        StudyError: there is none.
    """
    if 0 <= number < len(record.trials):
        return record.trials[number]
    rule = f"study {record.name!r} has {_known(len(record.trials))}, got {number}"
    raise StudyError(Problem("TRIAL", rule, "Give the number of one of them."))


def _known(count: int) -> str:
    return f"trials 0 to {count - 1}" if count else "no trial yet"


def _nothing(wanted: str, out: Path) -> Problem:
    known = [folder.name for folder in folders(out)]
    if Path(wanted).is_dir() or (out / wanted).is_dir():
        rule = f"the folder holds no {JOURNAL}, got {wanted!r}"
        return Problem("STUDY", rule, "If its record is in another storage, give that one's URL.")
    rule = f"no study is called so in {str(out)!r}, got {wanted!r}"
    hint = closest(wanted, known) if known else "Name the folder that holds it with --out."
    return Problem("STUDY", rule, hint)
