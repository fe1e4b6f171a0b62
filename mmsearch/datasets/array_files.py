"""Reads files of named arrays: npz, and parquet tables with one row an example.

Unusual: pickled objects in npz are refused, not loaded. A parquet column of lists is an array, each
list a row of it; lists of lists may differ in how many they hold, and that becomes the lengths.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.errors import DataError, Problem

SUFFIXES = (".npz", ".parquet")
LENGTHS = "_lengths"
"""After a modality's name: the array of how many steps are real."""


def read(path: Path, *, only: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file by name, in its order.

    Args:
        path: an npz or parquet file.
        only: the one name to read, if the file has it.

    Raises:
        DataError: the file is damaged, or holds something else than numbers and text.
    """
    try:
        return _read_npz(path, only) if path.suffix == ".npz" else _read_parquet(path, only)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            Problem(
                str(path),
                f"cannot be read as named arrays ({type(error).__name__}: {error})",
                "Write it with numpy.savez or pyarrow, of numbers and text alone.",
            )
        ) from error


def _read_npz(path: Path, only: str | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as stored:
        names: list[str] = stored.files
        return {name: stored[name] for name in names if only in {None, name}}


def _read_parquet(path: Path, only: str | None) -> dict[str, np.ndarray]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            Problem(str(path), "parquet files need pyarrow", "Install it: pip install pyarrow.")
        ) from None
    reader: Any = parquet
    names = reader.read_schema(path).names
    table = reader.read_table(path, columns=[name for name in names if only in {None, name}])
    arrays: dict[str, np.ndarray] = {}
    for name in table.column_names:
        value, lengths = _column(name, table.column(name).combine_chunks())
        arrays[name] = value
        if lengths is not None:
            if f"{name}{LENGTHS}" in table.column_names:
                raise ValueError(f"{name}{LENGTHS}: the lists of {name} say their lengths")
            arrays[f"{name}{LENGTHS}"] = lengths
    return arrays


def _column(name: str, column: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Values, padded with zeros, and lengths where rows are lists of lists."""
    sizes = _sizes(name, column)
    if sizes is None:
        return _flat(name, column), None
    inner = column.flatten()
    widths = _sizes(name, inner)
    if widths is None:
        return _flat(name, inner).reshape(len(sizes), _one(name, sizes)), None
    steps = _flat(name, inner.flatten()).reshape(len(widths), _one(name, widths))
    padded = np.zeros((len(sizes), int(sizes.max(initial=0)), steps.shape[1]), steps.dtype)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = steps
    return padded, sizes


def _sizes(name: str, column: Any) -> np.ndarray | None:
    """How many values each list has, or None for a column of no lists."""
    from pyarrow import compute, types

    if column.null_count:
        raise ValueError(f"{name}: {column.null_count} values are missing")
    lists: Any = types
    if not (
        lists.is_list(column.type)
        or lists.is_large_list(column.type)
        or lists.is_fixed_size_list(column.type)
    ):
        return None
    calls: Any = compute
    return calls.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)


def _flat(name: str, column: Any) -> np.ndarray:
    if column.null_count:
        raise ValueError(f"{name}: {column.null_count} values are missing")
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype == object else values


def _one(name: str, sizes: np.ndarray) -> int:
    found = np.unique(sizes).tolist()
    if len(found) != 1:
        raise ValueError(f"{name}: lists hold {found[0]} to {found[-1]} numbers, not as many each")
    return found[0]
