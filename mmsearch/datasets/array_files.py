"""Reads files of named arrays: npz, and parquet tables with one row an example.

Unusual: pickled objects in npz are refused, not loaded. A parquet column of lists is an array, each
list a row of it; lists of lists may differ in how many they hold, and that becomes the lengths.
"""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.datasets.memory import must_fit
from mmsearch.errors import DataError, Problem, reason_of

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
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            Problem(
                str(path),
                f"cannot be read as named arrays ({reason_of(error)})",
                "Write it with numpy.savez or pyarrow, of numbers and text alone.",
            )
        ) from error


def _read_npz(path: Path, only: str | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as stored:
        names: list[str] = [name for name in stored.files if only in {None, name}]
        must_fit(sum(_size(archive, name) for name in names))
        return {name: stored[name] for name in names}


def _size(archive: zipfile.ZipFile, name: str) -> int:
    """Bytes of an array, which must be as many as its header claims: numpy would take them all."""
    member = next(info for info in archive.infolist() if info.filename.removesuffix(".npy") == name)
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{name}: arrays of format {version} are not read")
        shape, _, dtype = _HEADERS[version](file)
        claimed, held = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if claimed != held and not dtype.hasobject:
        raise ValueError(f"{name}: claims {dtype} of shape {shape}, holds {held} bytes")
    return held


_HEADERS: dict[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the header of an array, by the version of its format."""


def _read_parquet(path: Path, only: str | None) -> dict[str, np.ndarray]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            Problem(str(path), "parquet files need pyarrow", "Install it: pip install pyarrow.")
        ) from None
    reader: Any = parquet
    names: list[str] = reader.read_schema(path).names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"there are two columns {', '.join(twice)}")
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
    shape = (len(sizes), int(sizes.max(initial=0)), steps.shape[1])
    must_fit(math.prod(shape) * steps.itemsize)
    padded = np.zeros(shape, steps.dtype)
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
    if not found:
        raise ValueError(f"{name}: has no rows, or lists that hold nothing")
    if len(found) != 1:
        raise ValueError(f"{name}: lists hold {found[0]} to {found[-1]} numbers, not as many each")
    return found[0]
