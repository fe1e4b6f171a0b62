"""What a machine tells of itself, as plain data: versions, hardware, limits, disks.

Unusual: needs the standard library alone and nothing of mmsearch, because its text is also run on
machines where mmsearch may be missing, or Python old; what is not known there is None.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "ray", "deepspeed", "optuna", "mmsearch")
ANSWER = "mmsearch facts: "
"""What the answer's line begins with: shells greet as they like."""
TIMEOUT_S = 20.0
"""Longest that a program which is asked may take."""
PIECE = 1 << 20
"""Bytes that are read of a file at once."""


def gather(
    *, out: str | None = None, data: str | None = None, ports: tuple[int, ...] = ()
) -> dict[str, Any]:
    """All of it; JSON can hold it.

    Args:
        out: folder that studies are to lie in.
        data: folder of a dataset's files.
        ports: that Ray is going to listen at.
    """
    folder = nearest(out) if out else None
    return {
        "host": socket.gethostname(),
        "time": time.time(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "code": code(),
        "cuda_of_torch": _cuda_of_torch(),
        "gpus": _gpus(),
        "shared_memory": _disk(Path("/dev/shm")),  # noqa: S108  what workers of one machine share
        "memory": _memory(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "resolves": _resolves(),
        "disk": _disk(folder) if folder else None,
        "writable": None if folder is None else _writable(folder),
        "folder": folder and str(folder),
        "data": None if data is None else digest(data),
        "ports": {str(port): listens(port) for port in ports},
    }


def now() -> float:
    """Seconds of this machine's clock."""
    return time.time()


def code() -> str | None:
    """SHA-256 over names and bytes of mmsearch's Python files here; None where it is not."""
    spec = find_spec("mmsearch")
    places = spec.submodule_search_locations if spec else None
    if not places:
        return None
    root, found = Path(next(iter(places))), sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def digest(name: str) -> str | None:
    """SHA-256 over names and bytes of a file, or of all files below a folder; None without any."""
    path = Path(name).expanduser()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = sha256()
    for file in files:
        found.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while piece := stream.read(PIECE):
                found.update(piece)
    return found.hexdigest() if files else None


def nearest(path: str) -> Path:
    """The folder, or the first one above it that is there."""
    start = Path(path).expanduser().absolute()
    return next(folder for folder in (start, *start.parents) if folder.is_dir())


def listens(port: int) -> bool:
    """Whether something answers at a port of this machine."""
    with closing(socket.socket()) as probe:
        probe.settimeout(2.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def exchange(read: str, write: str, text: str) -> dict[str, Any]:
    """What this machine sees of a folder that several are to share: `read` and `why_not`.

    Args:
        read: path of a file that another machine has written.
        write: path of a file to write; its folder is not made, the other machine has it.
        text: what to write.
    """
    return {"read": _text(read), "why_not": _put(write, text)}


def collect(paths: list[str]) -> list[str | None]:
    """Texts of files, which are removed; None for one that this machine does not see."""
    texts = [_text(path) for path in paths]
    for path in paths:
        Path(path).unlink(missing_ok=True)
    return texts


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None


def _put(path: str, text: str) -> str | None:
    """Why it cannot be written, if so."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        return error.strerror or str(error)
    return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cuda_of_torch() -> str | None:
    """The CUDA that torch was built for, read from its files: importing it takes seconds."""
    spec = find_spec("torch")
    places = spec.submodule_search_locations if spec else None
    text = _text(str(Path(next(iter(places))) / "version.py")) if places else None
    found = re.search(r"^cuda\b.*=\s*'([\d.]+)'", text or "", re.MULTILINE)
    return found.group(1) if found else None


def _gpus() -> dict[str, Any]:
    """Names of the GPUs, the driver, and the newest CUDA that it can do."""
    asked = ["--query-gpu=name,driver_version", "--format=csv,noheader"]
    rows = [row.split(", ") for row in _ask("nvidia-smi", *asked).splitlines() if ", " in row]
    newest = re.search(r"CUDA Version:\s*([\d.]+)", _ask("nvidia-smi")) if rows else None
    return {
        "names": [row[0] for row in rows],
        "driver": rows[0][1] if rows else None,
        "cuda": newest.group(1) if newest else None,
    }


def _disk(folder: Path) -> dict[str, int] | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return {"total": usage.total, "free": usage.free}


def _memory() -> dict[str, int] | None:
    text = _text("/proc/meminfo") or ""
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", text, re.MULTILINE))
    if len(found) < 2:
        return None
    return {"total": int(found["MemTotal"]) * 1024, "free": int(found["MemAvailable"]) * 1024}


def _resolves() -> str | None:
    """The address that this machine's own name stands for; None if for none."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return None


def _writable(folder: Path) -> str:
    """Empty, or why nothing can be written there."""
    path = folder / f".mmsearch-{os.getpid()}-{time.time_ns()}"
    why = _put(str(path), "")
    if why is None:
        path.unlink(missing_ok=True)
    return why or ""


def _ask(program: str, *arguments: str) -> str:
    """What a program prints; nothing if it is absent, fails or takes too long."""
    found = shutil.which(program)
    if found is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603  fixed programs and arguments of our own
            [found, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(ANSWER + json.dumps(globals()[asked.pop("call")](**asked)))
