"""What the doctor says of plain facts."""

from collections.abc import Mapping
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from mmsearch.cluster.sameness import Sight
from mmsearch.doctor.between import Told, compared, speed, storage
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.machine import GIB, examined

NEEDS = {"python": SpecifierSet(">=3.11"), "torch": SpecifierSet(">=2.9,<2.14")}
VERSIONS = {
    "torch": "2.13.0+cu128",
    "ray": "2.60.0",
    "deepspeed": "0.19.8",
    "optuna": "5.0.0",
    "mmsearch": "0.1.0",
}
SOUND: Mapping[str, Any] = {
    "host": "gpu1",
    "time": 1000.5,
    "python": "3.11.2",
    "versions": VERSIONS,
    "code": "a" * 64,
    "cuda_of_torch": "12.8",
    "gpus": {"names": ["NVIDIA H200"] * 8, "driver": "550.54", "cuda": "12.4"},
    "shared_memory": {"total": 32 * GIB, "free": 31 * GIB},
    "memory": {"total": 64 * GIB, "free": 60 * GIB},
    "open_files": 65536,
    "resolves": "10.0.0.1",
    "folder": "/shared",
    "disk": {"total": 900 * GIB, "free": 300 * GIB},
    "writable": "",
    "data": "d" * 64,
    "ports": {"6379": False},
}


def facts(**changes: Any) -> dict[str, Any]:
    versions = {**VERSIONS, **changes.pop("versions", {})}
    return {**SOUND, "versions": versions, **changes}


def of(**changes: Any) -> list[Finding]:
    return [f for f in examined("gpu1", facts(**changes), NEEDS) if f.level != "ok"]


def test_a_sound_machine_has_nothing_but_ok() -> None:
    found = [*examined("gpu1", SOUND, NEEDS)]
    assert {finding.level for finding in found} == {"ok"}
    assert "ok       gpu1: torch 2.13.0+cu128" in map(str, found)
    told = "8 GPUs (NVIDIA H200), driver 550.54, torch is built for CUDA 12.8"
    assert f"ok       gpu1: {told}" in map(str, found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param(
            {"python": "3.10.4"},
            "error    gpu1: python 3.10.4, and mmsearch needs >=3.11. Install python>=3.11.",
            id="an old Python",
        ),
        pytest.param(
            {"versions": {"torch": "2.14.0"}},
            "error    gpu1: torch 2.14.0, and mmsearch needs <2.14,>=2.9. "
            "Install torch<2.14,>=2.9.",
            id="a torch that is too new",
        ),
        pytest.param(
            {"versions": {"deepspeed": None}},
            "error    gpu1: deepspeed is not installed. Install it there: pip install 'deepspeed'.",
            id="no DeepSpeed",
        ),
        pytest.param(
            {"versions": {"mmsearch": None}},
            "error    gpu1: mmsearch is not installed. Install it there: pip install 'mmsearch'.",
            id="Ray without mmsearch",
        ),
        pytest.param(
            {"versions": {"mmsearch": None, "ray": None, "torch": None}},
            "warning  gpu1: python 3.11.2, and neither mmsearch nor Ray is installed yet. Install "
            "mmsearch, or let `ray up` do it by the cluster file's setup_commands.",
            id="nothing yet",
        ),
        pytest.param(
            {"cuda_of_torch": None},
            "warning  gpu1: 8 GPUs (NVIDIA H200), driver 550.54, and torch is built for CPUs "
            "alone. "
            "Install a build of PyTorch for CUDA, as PyTorch's own page says.",
            id="torch for CPUs beside GPUs",
        ),
        pytest.param(
            {"cuda_of_torch": "13.0"},
            "error    gpu1: 8 GPUs (NVIDIA H200), driver 550.54 does CUDA 12.4 at most, and torch "
            "is built for 13.0. Update the driver, or install a PyTorch built for CUDA 12.",
            id="an old driver",
        ),
        pytest.param(
            {"shared_memory": {"total": 64 << 20, "free": 64 << 20}},
            "warning  gpu1: shared memory: 64 MiB free of 64 MiB. Ray puts its objects on a disk "
            "then: start the container with --shm-size=8g, or run `mount -o remount,size=8g "
            "/dev/shm` as root.",
            id="a container's shared memory",
        ),
        pytest.param(
            {"disk": {"total": 900 * GIB, "free": 1 << 20}},
            "error    gpu1: disk at /shared: 1 MiB free of 900.0 GiB. "
            "Free some, or give --out another folder.",
            id="a full disk",
        ),
        pytest.param(
            {"writable": "Permission denied"},
            "error    gpu1: /shared cannot be written to: permission denied. "
            "Mend its rights, or give --out another folder.",
            id="a folder of somebody else",
        ),
        pytest.param(
            {"memory": {"total": 4 * GIB, "free": 2 * GIB}},
            "warning  gpu1: memory: 2.0 GiB free of 4.0 GiB. End what else runs there.",
            id="little memory",
        ),
        pytest.param(
            {"open_files": 1024},
            "warning  gpu1: 1024 files may be open at a time. Run `ulimit -n 65536` before Ray "
            "starts, or raise it in /etc/security/limits.conf.",
            id="few open files",
        ),
        pytest.param(
            {"resolves": None},
            "warning  gpu1: its own name gpu1 stands for no address. "
            "Add the line `127.0.1.1 gpu1` to /etc/hosts there.",
            id="a name that nobody knows",
        ),
    ],
)
def test_what_is_wrong_with_a_machine_is_told_with_the_remedy(
    changes: dict[str, Any], told: str
) -> None:
    assert [str(finding) for finding in of(**changes)] == [told]


def told(place: str, asked_at: float = 1000.0, took_s: float = 1.0, **changes: Any) -> Told:
    return Told(place, facts(**changes), asked_at, asked_at + took_s)


def between(*others: Told, data: str | None = None) -> list[str]:
    return [str(f) for f in compared(told("head"), others, data=data) if f.level != "ok"]


def test_machines_that_are_alike_are_told_so() -> None:
    assert between(told("b"), data="/data") == []


@pytest.mark.parametrize(
    ("time", "took_s", "level"),
    [
        pytest.param(1000.5, 1.0, None, id="none"),
        pytest.param(1002.0, 1.0, None, id="within what asking took"),
        pytest.param(1003.5, 1.0, "warning", id="three seconds"),
        pytest.param(970.0, 1.0, "warning", id="half a minute, not surely"),
        pytest.param(960.0, 1.0, "error", id="behind by far"),
        pytest.param(1040.0, 100.0, None, id="nobody knows"),
    ],
)
def test_clocks_differ_by_what_is_sure(time: float, took_s: float, level: str | None) -> None:
    found = between(told("b", took_s=took_s, time=time))
    assert [line.split()[0] for line in found] == ([level] if level else [])
    assert all("its clock differs from that of head by " in line for line in found)


def test_other_versions_and_data_are_told_with_both_values() -> None:
    found = between(told("b", data="e" * 64, versions={"ray": "2.59.0"}), data="/data")
    first, second = found
    assert first == (
        "error    b: has ray 2.59.0, head has 2.60.0. "
        "Install ray 2.60.0 there, as on every machine."
    )
    assert second == (
        "warning  b: has another /data, fingerprint eeeeeeeeeeee, head has dddddddddddd. "
        "Put the same one at that path on every machine, or on a folder that all share."
    )


def test_a_machine_on_which_nothing_is_installed_yet_has_no_other_versions() -> None:
    nothing = dict.fromkeys(VERSIONS)
    assert between(told("b", versions=nothing)) == []


def test_data_that_the_head_lacks_is_an_error() -> None:
    lacking = Told("head", facts(data=None), 1000.0, 1001.0)
    (found,) = compared(lacking, [], data="/data")
    assert str(found).startswith("error    head: /data has no files. Copy the dataset there")


def test_a_folder_is_shared_or_it_is_not() -> None:
    good = storage("b", "/out", Sight(reads=True, why_not=None, is_read=True), called="head")
    assert str(good) == "ok       b: shares /out with head, both ways"
    bad = storage("b", "/out", Sight(reads=True, why_not=None, is_read=False), called="head")
    assert (bad.level, bad.found) == ("error", "writes below /out what head does not see")


def test_a_slow_network_is_told() -> None:
    assert speed(2, 1200.0).level == "ok"
    assert str(speed(2, 11.4)).startswith(
        "warning  between 2 machines: all-reduce of 16 MB at 11 MB/s. Keep a trial's workers on one"
    )
