"""Reads pickles that others made: arrays and plain containers come out, no code runs.

Unusual: not even numpy's own constructors are called on what a file says. Arrays, scalars and
dtypes are noted down as data and rebuilt here from the kinds of dtype that hold numbers or text,
so that a file cannot forge pointers through an object dtype either.
"""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from mmsearch.datasets.memory import must_fit
from mmsearch.datasets.pickle_reader import Refused, read, refuse
from mmsearch.errors import DataError, Problem, reason_of

NUMBERS = "biuf"
"""Kinds of dtype that are rebuilt for numbers."""
TEXTS = "U"
"""The kind of dtype that is rebuilt for texts."""
DEEPEST = 8
"""Lists in one another that are read as an array."""
WRONG = (TypeError, AttributeError, OverflowError, RecursionError, SyntaxError)
"""What comes of an array whose parts are not what they should be."""


def unpickle(path: Path) -> Any:
    """What a pickle holds, arrays as `PickledArray`; see `as_array` and `as_texts`.

    Raises:
        DataError: it asks for any other class or function, or it is damaged.
    """
    try:
        with path.open("rb") as file:
            return read(file, size=path.stat().st_size, allowed=_ALLOWED, built=_BUILT)
    except Refused as error:
        raise DataError(
            Problem(
                str(path),
                f"the pickle asks for {error}, which could run code; only numpy arrays, numbers, "
                "text and plain containers are read",
                "Take the file from its authors again, or save it anew as arrays, lists and dicts.",
            )
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            Problem(
                str(path),
                f"cannot be read as a pickle ({reason_of(error)})",
                "The file is damaged or cut off: fetch it again.",
            )
        ) from error


def as_array(value: object) -> np.ndarray:
    """Numbers out of what `unpickle` gives for them: an array, a number, or a list of either.

    Raises:
        ValueError: it is none of these, or its parts differ in shape.
    """
    try:
        return _rebuilt(value, 0)
    except WRONG as error:
        raise ValueError(reason_of(error)) from error


def _rebuilt(value: object, depth: int) -> np.ndarray:
    if isinstance(value, PickledArray):
        return value.rebuild(depth=depth)
    if isinstance(value, list | tuple):
        return _stacked(cast("list[object]", value), depth)
    if isinstance(value, int | float):
        number = np.asarray(value)
        if number.dtype.kind in NUMBERS:
            return number
        raise ValueError("expected numbers, got one of more than 64 bits")
    raise ValueError(f"expected numbers, got {type(value).__name__}")


def _stacked(values: Sequence[object], depth: int) -> np.ndarray:
    """An array of lists in lists; one list may be meant many times, so its size is looked at."""
    if depth == DEEPEST:
        raise ValueError(f"expected up to {DEEPEST} lists in one another, got more")
    known: dict[int, np.ndarray] = {}
    parts: list[np.ndarray] = []
    for value in values:
        plain = isinstance(value, int | float)
        part = known.get(id(value)) if not plain else None
        part = _rebuilt(value, depth + 1) if part is None else part
        if not plain:
            known[id(value)] = part
        parts.append(part)
    must_fit(sum(part.nbytes for part in parts))
    return np.array(parts)


def as_texts(value: object) -> list[str]:
    """Texts out of what `unpickle` gives for them: a list of them, or an array of text or objects.

    Raises:
        ValueError: it is none of these, or a text is not Unicode.
    """
    try:
        texts = [_text(part) for part in _row(value)]
        for text in texts:
            text.encode()
    except WRONG as error:
        raise ValueError(reason_of(error)) from error
    return texts


def _row(value: object) -> list[object]:
    if isinstance(value, PickledArray):
        content = value.content
        return cast("list[object]", content if isinstance(content, list) else value.texts())
    if isinstance(value, list | tuple):
        return list(cast("list[object]", value))
    raise ValueError(f"expected a list of texts, got {type(value).__name__}")


def _text(value: object) -> str:
    if isinstance(value, PickledArray):
        (value,) = value.texts()
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


class PickledDtype:
    """A dtype as a pickle describes it."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code
        self.order = "="
        self.plain = True

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = "=" if state[1] == "|" else state[1]
        self.plain = all(part is None for part in state[2:5])

    def rebuild(self, kinds: str) -> np.dtype[Any]:
        """The dtype, if it is one of these kinds."""
        dtype = np.dtype(self.code) if isinstance(self.code, str) else None
        if dtype is None or dtype.kind not in kinds or not self.plain:
            asked = "texts" if kinds == TEXTS else "numbers"
            raise ValueError(f"expected {asked}, got dtype {self.code!r}")
        return dtype.newbyteorder(cast("Any", self.order))


class PickledArray:
    """An array, or a scalar of numpy, as a pickle describes it."""

    content: object

    def __init__(self, *_: object) -> None:
        self.__setstate__((1, (0,), PickledDtype("f4"), False, b""))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, self.fortran, self.content = state

    def rebuild(self, kinds: str = NUMBERS, *, depth: int = 0) -> np.ndarray:
        """The array, read-only over the bytes of the pickle; an array of objects part by part."""
        content = self.content
        if isinstance(content, list):
            parts = _rebuilt(cast("list[object]", content), depth)
            return parts.reshape((*self.shape, *parts.shape[1:]))
        flat = np.frombuffer(
            cast("bytes", content), self.dtype.rebuild(kinds), count=math.prod(self.shape)
        )
        return flat.reshape(self.shape, order="F" if self.fortran else "C")

    def texts(self) -> list[str]:
        """Texts of an array of them, in a row."""
        dtype = self.dtype.rebuild(TEXTS)
        if dtype.itemsize == 0 and self.shape == ():
            return [""]
        flat = self.rebuild(TEXTS).reshape(-1)
        # numpy trusts that these are characters.
        codes = flat.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError(f"expected characters, got the code {codes.max()}")
        return flat.tolist()


def _from_buffer(content: object, dtype: object, shape: object, order: object) -> PickledArray:
    array = PickledArray()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: object, content: object) -> PickledArray:
    return _from_buffer(content, dtype, (), "C")


def _no_bytes() -> bytes:
    return b""


def _bytes(text: str, encoding: str) -> bytes:
    if encoding not in {"latin1", "latin-1"}:
        refuse(f"the codec {encoding}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): PickledDtype,
    ("numpy", "ndarray"): PickledArray,
    ("collections", "OrderedDict"): dict,
    # How protocols below 3 write bytes, and no bytes.
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", PickledArray),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
_BUILT = (PickledArray, PickledDtype)
"""What takes a state."""
