"""What is to be said of one machine, from what it tells of itself; nothing is asked here."""

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import SpecifierSet

from mmsearch.doctor.finding import Finding

GIB = 1 << 30
SHARED = 2 * GIB
"""Shared memory that Ray's object store and workers of one machine want."""
DISK = (1 * GIB, 10 * GIB)
"""Free below which no checkpoint may fit, and below which a search may fill the disk."""
MEMORY = (1 * GIB, 4 * GIB)
"""Free below which no worker starts, and below which few do."""
OPEN_FILES = 4096
"""Ray holds several connections open for each process of the cluster."""


def examined(
    place: str, facts: Mapping[str, Any], needs: Mapping[str, SpecifierSet]
) -> Iterator[Finding]:
    """Findings of one machine.

    Args:
        place: what it is called.
        facts: as `facts.gather` gives them.
        needs: versions that mmsearch can do with, by package; `python` among them.
    """
    yield from _versions(place, facts, needs)
    yield _gpus(place, facts)
    yield _least(place, "shared memory", facts["shared_memory"], (0, SHARED), _SHARED_REMEDY)
    yield _least(place, "memory", facts["memory"], MEMORY, "End what else runs there.")
    if facts["disk"]:
        remedy = "Free some, or give --out another folder."
        yield _least(place, f"disk at {facts['folder']}", facts["disk"], DISK, remedy)
        yield _writable(place, facts)
    yield _open_files(place, facts["open_files"])
    yield _name(place, facts)


def is_set_up(facts: Mapping[str, Any]) -> bool:
    """Whether anything of what a cluster needs is installed there."""
    return bool(facts["versions"]["mmsearch"] or facts["versions"]["ray"])


_SHARED_REMEDY = (
    "Ray puts its objects on a disk then: start the container with --shm-size=8g, or run "
    "`mount -o remount,size=8g /dev/shm` as root."
)


def _versions(
    place: str, facts: Mapping[str, Any], needs: Mapping[str, SpecifierSet]
) -> Iterator[Finding]:
    found = {"python": facts["python"], **facts["versions"]}
    if not is_set_up(facts):
        told = f"python {found['python']}, and neither mmsearch nor Ray is installed yet"
        remedy = "Install mmsearch, or let `ray up` do it by the cluster file's setup_commands."
        yield Finding("warning", place, told, remedy)
        return
    for name, version in found.items():
        wanted = needs.get(name)
        if version is None:
            remedy = f"Install it there: pip install '{name}{wanted or ''}'."
            yield Finding("error", place, f"{name} is not installed", remedy)
        elif wanted is not None and not wanted.contains(version, prereleases=True):
            told = f"{name} {version}, and mmsearch needs {wanted}"
            yield Finding("error", place, told, f"Install {name}{wanted}.")
        else:
            yield Finding("ok", place, f"{name} {version}")


def _gpus(place: str, facts: Mapping[str, Any]) -> Finding:
    """The driver must do the CUDA that torch was built for: of the same major version, any."""
    gpus, built = facts["gpus"], facts["cuda_of_torch"]
    if not gpus["names"]:
        return Finding("ok", place, "no GPU: trials train on the CPU")
    told = f"{len(gpus['names'])} GPUs ({gpus['names'][0]}), driver {gpus['driver']}"
    if built is None:
        remedy = "Install a build of PyTorch for CUDA, as PyTorch's own page says."
        return Finding("warning", place, f"{told}, and torch is built for CPUs alone", remedy)
    if gpus["cuda"] and _major(built) > _major(gpus["cuda"]):
        told = f"{told} does CUDA {gpus['cuda']} at most, and torch is built for {built}"
        remedy = f"Update the driver, or install a PyTorch built for CUDA {_major(gpus['cuda'])}."
        return Finding("error", place, told, remedy)
    return Finding("ok", place, f"{told}, torch is built for CUDA {built}")


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _least(
    place: str,
    what: str,
    size: Mapping[str, int] | None,
    limits: tuple[int, int],
    remedy: str,
) -> Finding:
    """`limits` are those of an error and of a warning, for what is free."""
    if size is None:
        return Finding("warning", place, f"{what}: not known", "Look at `df` and `free` there.")
    told = f"{what}: {_size(size['free'])} free of {_size(size['total'])}"
    if size["free"] < limits[0]:
        return Finding("error", place, told, remedy)
    if size["free"] < limits[1]:
        return Finding("warning", place, told, remedy)
    return Finding("ok", place, told)


def _writable(place: str, facts: Mapping[str, Any]) -> Finding:
    if not facts["writable"]:
        return Finding("ok", place, f"{facts['folder']} can be written to")
    told = f"{facts['folder']} cannot be written to: {facts['writable'].lower()}"
    return Finding("error", place, told, "Mend its rights, or give --out another folder.")


def _open_files(place: str, limit: int) -> Finding:
    told = f"{'any number of' if limit < 0 else limit} files may be open at a time"
    if 0 <= limit < OPEN_FILES:
        remedy = (
            "Run `ulimit -n 65536` before Ray starts, or raise it in /etc/security/limits.conf."
        )
        return Finding("warning", place, told, remedy)
    return Finding("ok", place, told)


def _name(place: str, facts: Mapping[str, Any]) -> Finding:
    if facts["resolves"] is None:
        told = f"its own name {facts['host']} stands for no address"
        remedy = f"Add the line `127.0.1.1 {facts['host']}` to /etc/hosts there."
        return Finding("warning", place, told, remedy)
    return Finding("ok", place, f"its name {facts['host']} stands for {facts['resolves']}")


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / (1 << 20):.0f} MiB"
