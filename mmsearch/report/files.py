"""Files that are whole at any moment, whoever reads them and whenever we are killed."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step; its folder is created where it is missing.

    Raises:
        OSError: the file cannot be written; what was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _umask() -> int:
    """Permissions that the user takes away from new files; a temporary file has fewer still."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
