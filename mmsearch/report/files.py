"""Files that are whole at any moment, whoever reads them and whenever we are killed."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step; its folder is created where it is missing.

    Raises:
        OSError: the file cannot be written; what was there before is untouched.
    """
    with replaced(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


@contextmanager
def replaced(path: Path) -> Generator[Path]:
    """A file beside this one to be written, which replaces it when the block ends well.

    Raises:
        OSError: the file cannot be written; what was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _umask() -> int:
    """Permissions that the user takes away from new files; a temporary file has fewer still."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
