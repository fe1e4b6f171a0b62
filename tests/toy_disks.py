"""Real small disks: a file system of a few hundred kilobytes that a test mounts, if it is root."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A small file system at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, leave: int = 0) -> None:
        """Leaves room for so many bytes, in whole pages."""
        with (self.path / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 4096)
            except OSError:
                filler.truncate(max(0, filler.tell() - leave))

    def free(self) -> None:
        """Takes back what `fill` took."""
        (self.path / "filler").unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Lays a view over it through which nothing can be written."""
        path = str(self.path)
        subprocess.run(["mount", "--bind", path, path], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
            yield
        finally:
            subprocess.run(["umount", "--lazy", path], check=True)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Hides it, as when its server is gone and the mount with it."""
        path = str(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def small_disk(path: Path, *, kilobytes: int = 512, owner: str = "root") -> Iterator[Disk]:
    """Mounts a small file system; skips the test where that is not allowed."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={kilobytes}k"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        shutil.chown(path, owner)
        yield Disk(path)
    finally:
        # What still looks at it, a worker on its way out, keeps it until then.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
