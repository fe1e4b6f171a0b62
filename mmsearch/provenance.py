"""Where a number comes from: commit, fingerprints, versions and hardware, as plain data.

Unusual: says nothing about who ran it or where: no path, host, user or command line.
"""

import csv
import os
import platform
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import unified_diff
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "mmsearch",
    "torch",
    "ray",
    "optuna",
    "deepspeed",
    "tensorboard",
    "numpy",
    "pydantic",
    "scikit-learn",
    "transformers",
    "tokenizers",
    "pillow",
    "soundfile",
)
"""Distributions whose versions can move a number; those that are not installed are left out."""
TIMEOUT_S = 10.0
"""Longest that a program which is asked may take."""
NO_END = "\\ No newline at end of file\n"
SMALL = 8_000
"""Characters of changes to the code that are kept with everything else; what is longer is named by
its hash, and belongs into `diff_file` beside the record."""


def collect(fingerprint: str) -> dict[str, Any]:
    """What a paper must say about a search that starts now; JSON and TOML can hold it.

    What is not known is absent: the commit outside a checkout, GPUs on a machine without them.

    Args:
        fingerprint: SHA-256 of the data that the search may see.
    """
    return {
        "collected_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprints": {"data": fingerprint, "code": code_fingerprint(_package())},
        **_commit(_package()),
        "versions": {**_versions(), "python": platform.python_version()},
        "hardware": {
            "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cpu": _cpu(),
            "cpu_cores": os.cpu_count() or 1,
            **_gpus(),
        },
    }


def sittings(provenance: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """What is on record of each sitting that is worth a word, the first one's first."""
    return (provenance, *provenance.get("resumed", []))


def overrides(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """All that the sittings of a record asked for on the command line, the latest word on each."""
    asked: dict[str, Any] = {}
    for sitting in sittings(provenance):
        for key, value in sitting.get("overrides", {}).items():
            asked.pop(key, None)
            asked[key] = value
    return asked


def code_fingerprint(folder: Path) -> str:
    """SHA-256 over names and bytes of a folder's Python files: the same wherever it lies."""
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _package() -> Path:
    return Path(__file__).resolve().parent


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit(package: Path) -> dict[str, Any]:
    """Commit of the checkout that tracks the package, and whether its files differ from it.

    A repository that merely surrounds an installed package, or the one of the working directory,
    says nothing about this code.
    """
    root = package.parent
    if not _is_checkout(root):
        return {}
    tracked = _ask("git", ["ls-files", "--error-unmatch", "pyproject.toml"], folder=root)
    commit = _ask("git", ["rev-parse", "HEAD"], folder=root)
    changes = _ask("git", ["status", "--porcelain", "--", package.name], folder=root)
    if tracked is None or commit is None or changes is None:
        return {}
    dirty = {"commit": commit, "dirty": bool(changes)}
    diff = changed_code() if changes else ""
    if not diff:
        return dirty
    told = {"diff": diff} if len(diff) <= SMALL else {"diff_file": diff_file(diff)}
    return {**dirty, "diff_sha256": sha256(diff.encode()).hexdigest(), **told}


def diff_file(diff: str) -> str:
    """Name of the file, beside a record, that keeps changes too long for it."""
    return f"changes-{sha256(diff.encode()).hexdigest()[:12]}.diff"


def changed_code() -> str:
    """What the package's files differ in from the commit, new files included, as `git apply` takes.

    Empty outside a checkout, and where nothing differs.
    """
    package = _package()
    root, name = package.parent, package.name
    if not _is_checkout(root):
        return ""
    known = _ask("git", ["diff", "HEAD", "--no-color", "--no-ext-diff", "--", name], folder=root)
    listed = ["ls-files", "--others", "--exclude-standard", "-z", "--", name]
    new = (_ask("git", listed, folder=root) or "").split("\0")
    parts = [f"{known}\n" if known else "", *(_added(root, path) for path in sorted(new) if path)]
    return "".join(parts)


def _added(root: Path, path: str) -> str:
    """A new file as a change; of one that is no text, its name alone."""
    try:
        lines = (root / path).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return f"Only here: {path}\n"
    whole = unified_diff([], lines, "/dev/null", f"b/{path}")
    ended = [line if line.endswith("\n") else f"{line}\n{NO_END}" for line in whole]
    return f"diff --git a/{path} b/{path}\nnew file mode 100644\n{''.join(ended)}"


def _is_checkout(root: Path) -> bool:
    try:
        document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return document.get("project", {}).get("name") == "mmsearch"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def _gpus() -> dict[str, Any]:
    answer = _ask("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"])
    rows = list(csv.reader((answer or "").splitlines(), skipinitialspace=True))
    devices = [row for row in rows if len(row) == 2]
    if not devices:
        return {}
    return {"gpus": [name for name, _ in devices], "gpu_driver": devices[0][1]}


def _ask(program: str, arguments: Sequence[str], *, folder: Path | None = None) -> str | None:
    """What a program prints, newlines around it gone; None if it is absent, fails or is slow."""
    executable = shutil.which(program)
    if executable is None:
        return None
    # Git's own variables (set inside its hooks) would point it at another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs and arguments of our own
            [executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip("\n")
