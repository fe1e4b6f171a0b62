"""A disk that machines share, and that may be away for a while, as when its server starts anew.

Unusual: a folder that was removed or moved by somebody is told apart from one whose disk is away by
what stands in its place: the same disk, or none or another one.
"""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from mmsearch.errors import Problem, StorageError

PATIENCE_S = 600.0
"""How long a disk may be away."""
LOOK_S = 1.0
"""Between two looks."""


def require(folder: Path) -> None:
    """Whether a folder is there that was made before: it is not to be made in the place of a disk.

    Raises:
        OSError: it is not.
    """
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the study's folder is away", str(folder))


class Disk:
    """The one that a folder lies on; it is there when this is made."""

    def __init__(
        self,
        folder: Path,
        tell: Callable[[str], object] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`tell` is what the user hears: that it is away, and that it is back."""
        self._folder = folder.absolute()
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._device = os.stat(self._nearest()).st_dev  # noqa: PTH116  of what is there now

    def is_away(self) -> bool:
        """Whether the folder cannot be seen although nobody took it away."""
        try:
            return os.stat(self._nearest()).st_dev != self._device  # noqa: PTH116
        except PermissionError:
            return False
        except OSError:  # A stale handle, an input or output error, a host that is down.
            return True

    def wait(self) -> None:
        """Returns when the disk is there, which is at once as a rule.

        Raises:
            StorageError: it has been away for too long.
        """
        if not self.is_away():
            return
        began = self._clock()
        self._tell(f"the disk of {self._folder} is away; waiting for it to come back")
        while self.is_away():
            if self._clock() - began > PATIENCE_S:
                rule = f"its disk has been away for {PATIENCE_S:.0f} s"
                way_out = "Bring it back; what is on record stays, and the same command goes on."
                raise StorageError(Problem(str(self._folder), rule, way_out))
            self._sleep(LOOK_S)
        self._tell(f"the disk of {self._folder} is back after {self._clock() - began:.0f} s")

    def _nearest(self) -> Path:
        """The folder, or what is left of the path to it."""
        for path in (self._folder, *self._folder.parents):
            try:
                os.stat(path)  # noqa: PTH116  other errors than a missing one are for the caller
            except (FileNotFoundError, NotADirectoryError):
                continue
            return path
        return Path("/")
