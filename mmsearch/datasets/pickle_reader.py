"""Runs the opcodes of a pickle with nothing but what the caller allows.

Unusual: Python's own reader in Python, which the standard library falls back on, and not the one in
C: that takes memory for any number of a memo that a file merely names. Lengths that a file does not
have are refused too, as are keys whose hash would need more of the stack than there is.
"""

import pickle
from collections.abc import Callable, Mapping
from struct import unpack
from typing import Any, BinaryIO, NoReturn

_Python: Any = pickle._Unpickler  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
Load = Callable[[Any], None]


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that is not allowed."""


def refuse(what: str) -> NoReturn:
    """Raises Refused."""
    raise Refused(what)


def read(
    file: BinaryIO,
    *,
    size: int,
    allowed: Mapping[tuple[str, str], Callable[..., Any]],
    built: tuple[type, ...],
) -> Any:
    """What the pickle holds.

    Args:
        file: open at the pickle's beginning.
        size: of the file, in bytes.
        allowed: stands in for a class or function, by the names of its module and its own.
        built: classes among them whose objects may be given a state.

    Raises:
        Refused: it asks for anything else.
        Exception: whatever a damaged pickle raises.
    """
    return _Reader(_Claims(file, size), allowed, built).load()


class _Claims:
    """A file that is asked for no more bytes than it has."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.readline = file.readline

    def read(self, size: int) -> bytes:
        if size > self._size:
            raise EOFError(f"claims {size} bytes, the file has {self._size}")
        return self._file.read(size)


class _Reader(_Python):
    def __init__(
        self,
        file: _Claims,
        allowed: Mapping[tuple[str, str], Callable[..., Any]],
        built: tuple[type, ...],
    ) -> None:
        _Python.__init__(self, file)
        self._allowed = allowed
        self._built = built

    def find_class(self, module: str, name: str) -> Any:
        return self._allowed.get((module, name)) or refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        refuse(f"an object outside of it ({pid!r})")


def _build(reader: Any) -> None:
    """A state is for objects: given to a class or a function it would outlast the file."""
    if not isinstance(reader.stack[-2], reader._built):  # noqa: SLF001
        refuse("a state for what is no array")
    _Python.load_build(reader)


def _bytearray(reader: Any) -> None:
    """Read before memory is taken for it."""
    (size,) = unpack("<Q", reader.read(8))
    reader.append(bytearray(reader.read(size)))


def _with_keys(load: Load, keys: slice) -> Load:
    """The same opcode, its keys looked at: the hash of tuples in tuples goes as deep as they do."""

    def checked(reader: Any) -> None:
        tuples: list[tuple[object, ...]] = [k for k in reader.stack[keys] if isinstance(k, tuple)]
        if any(isinstance(part, tuple) for key in tuples for part in key):
            refuse("tuples of tuples as keys")
        load(reader)

    return checked


_KEYS = {
    pickle.SETITEM: slice(-2, -1),
    pickle.SETITEMS: slice(None, None, 2),
    pickle.DICT: slice(None, None, 2),
    pickle.ADDITEMS: slice(None),
    pickle.FROZENSET: slice(None),
}
"""Where keys are on the stack, by opcode."""
_Reader.dispatch = {
    **_Python.dispatch,
    pickle.BYTEARRAY8[0]: _bytearray,
    pickle.BUILD[0]: _build,
    **{code[0]: _with_keys(_Python.dispatch[code[0]], keys) for code, keys in _KEYS.items()},
}
