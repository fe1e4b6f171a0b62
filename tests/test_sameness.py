"""What may differ between nodes, told with node, both values and a way out."""

import platform
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from mmsearch import provenance
from mmsearch.cluster import facts
from mmsearch.cluster.sameness import Sight, differing, unlike, unshared

HERE = {
    "python": "3.11.2",
    "versions": {"torch": "2.13.0", "ray": "2.60.0", "deepspeed": "0.19.8", "optuna": "5.0.0"},
    "code": "a" * 64,
}


def other(**changes: Any) -> dict[str, Any]:
    versions = {**HERE["versions"], **changes.pop("versions", {})}
    return {**HERE, **changes, "versions": versions}


@pytest.mark.parametrize(
    ("node", "told"),
    [
        pytest.param(other(), [], id="the same"),
        pytest.param(
            other(python="3.12.1"),
            [
                (
                    "node b: has python 3.12.1, the driver has 3.11.2. "
                    "Install python 3.11.2 there, as on every machine."
                )
            ],
            id="python",
        ),
        pytest.param(
            other(versions={"torch": "2.12.0", "deepspeed": None}),
            [
                (
                    "node b: has torch 2.12.0, the driver has 2.13.0. "
                    "Install torch 2.13.0 there, as on every machine."
                ),
                (
                    "node b: has no deepspeed, the driver has 0.19.8. "
                    "Install deepspeed 0.19.8 there, as on every machine."
                ),
            ],
            id="another torch and no DeepSpeed",
        ),
        pytest.param(
            other(code="b" * 64),
            [
                (
                    "node b: has other code of mmsearch, fingerprint bbbbbbbbbbbb, the driver has "
                    "aaaaaaaaaaaa. Copy the same checkout to every machine."
                )
            ],
            id="other code",
        ),
    ],
)
def test_versions_and_code_must_be_the_drivers(node: dict[str, Any], told: list[str]) -> None:
    assert [str(problem) for problem in differing("node b", node, HERE)] == told


@pytest.mark.parametrize(
    ("sight", "told"),
    [
        pytest.param(Sight(True, None, True), [], id="shared"),
        pytest.param(
            Sight(False, "No such file or directory", False),
            [
                (
                    "node b: does not see what the driver writes below /out. "
                    "Give --out a folder that every machine mounts at the same path."
                )
            ],
            id="not there",
        ),
        pytest.param(
            Sight(True, "Read-only file system", False),
            [
                (
                    "node b: cannot write below /out: read-only file system. "
                    "Let the user that Ray runs as write there."
                )
            ],
            id="read-only",
        ),
        pytest.param(
            Sight(True, None, False),
            [
                (
                    "node b: writes below /out what the driver does not see. "
                    "Give --out a folder that every machine mounts at the same path."
                )
            ],
            id="written elsewhere",
        ),
    ],
)
def test_the_studys_folder_must_be_seen_from_both_sides(sight: Sight, told: list[str]) -> None:
    assert [str(problem) for problem in unshared("node b", "/out", sight)] == told


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ("a" * 64, []),
        (None, ["has no my.py, which the driver has with fingerprint aaaaaaaaaaaa"]),
        ("b" * 64, ["has another my.py, fingerprint bbbbbbbbbbbb, the driver has aaaaaaaaaaaa"]),
    ],
    ids=["the same", "none", "another"],
)
def test_files_that_workers_read_must_be_the_drivers(theirs: str | None, told: list[str]) -> None:
    found = [*unlike("node b", "my.py", theirs, "a" * 64)]
    assert [problem.rule for problem in found] == told
    assert all("at that path on every machine" in problem.way_out for problem in found)


def test_a_node_tells_the_code_that_provenance_records() -> None:
    assert facts.code() == provenance.code_fingerprint(Path(provenance.__file__).parent)


def test_a_machine_tells_what_other_tools_tell_of_it(tmp_path: Path) -> None:
    told = facts.gather(out=str(tmp_path / "not" / "there"), data=str(tmp_path))
    assert told["python"] == platform.python_version()
    assert told["versions"]["torch"] == torch.__version__
    assert told["cuda_of_torch"] == torch.version.cuda
    assert told["memory"]["total"] == psutil.virtual_memory().total
    assert told["disk"]["total"] == shutil.disk_usage(tmp_path).total
    assert (told["writable"], told["data"]) == ("", None)
    assert not list(tmp_path.iterdir())
