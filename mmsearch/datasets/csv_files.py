"""Reads csv and tsv files with a header: rows as texts by column.

Unusual: every row must have as many fields as the header; a row cut off or run together with the
next is refused, not filled up.
"""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmsearch.errors import DataError, Problem, closest, reason_of

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""By the file's suffix."""
NO_HEADER = "Begin it with a line of the columns' names."
Row = Mapping[str, str]


def read(path: Path, *, columns: Sequence[str]) -> list[Row]:
    """All rows.

    Args:
        path: a file in UTF-8 whose suffix is one of `DELIMITERS`.
        columns: names that the header must have.

    Raises:
        DataError: the file is absent, damaged, has no rows or not these columns; all columns that
            are missing are told at once.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=DELIMITERS[path.suffix], strict=True)
            header = next(reader, list[str]())
            _check_header(path, header, columns)
            rows = [
                _row(path, number, header, fields)
                for number, fields in enumerate(_filled(reader), start=1)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        rule = f"cannot be read as a table ({reason_of(error)})"
        raise DataError(Problem(str(path), rule, "Write it as csv in UTF-8.")) from error
    finally:
        csv.field_size_limit(limit)
    if not rows:
        rule = "has no rows below its header, got 0"
        raise DataError(Problem(str(path), rule, "Write a row for every example."))
    return rows


def _filled(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows but for empty lines."""
    return (fields for fields in reader if fields)


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    problems = [
        Problem(str(path), f"has no column {name!r}", closest(name, header) or NO_HEADER)
        for name in dict.fromkeys(columns)
        if name not in header
    ]
    twice = {name for name in header if header.count(name) > 1}
    problems += [
        Problem(str(path), f"has two columns {name!r}", "Give each a name of its own.")
        for name in sorted(twice)
    ]
    if problems:
        raise DataError(problems)


def _row(path: Path, number: int, header: Sequence[str], fields: Sequence[str]) -> Row:
    if len(fields) != len(header):
        rule = f"row {number} has {len(fields)} fields, the header has {len(header)}"
        raise DataError(Problem(str(path), rule, "Quote texts that hold commas or line ends."))
    return dict(zip(header, fields, strict=True))
