"""The doctor over ssh, against a real sshd on this machine."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy_sshd import as_here, free_port, sshd

from mmsearch.doctor.cluster_file import ClusterFile
from mmsearch.doctor.finding import Finding
from mmsearch.doctor.remote import surveyed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterFile]:
    """A head and a worker, which are the same machine under two names."""
    with sshd(tmp_path_factory.mktemp("sshd") / "a", profile=as_here()) as one:
        yield replace(one, workers=("localhost",))


def of(cluster: ClusterFile, out: Path | None = None, data: Path | None = None) -> list[Finding]:
    return [*surveyed(cluster, out=out and str(out), data=data and str(data))]


def test_machines_that_are_alike_are_right_in_all(cluster: ClusterFile, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.npz").write_bytes(b"numbers")
    found = of(cluster, tmp_path / "studies", tmp_path / "data")
    said = [str(finding) for finding in found]
    assert not [line for line in said if line.startswith("error")]
    for line in (
        f"ok       localhost: {cluster.user} logs in by ssh",
        "ok       localhost: versions and code are those of 127.0.0.1",
        "ok       localhost: shares {out} with 127.0.0.1, both ways".format(
            out=tmp_path / "studies"
        ),
        f"ok       localhost: {tmp_path / 'data'} is the same",
    ):
        assert line in said
    assert any("its clock differs from that of 127.0.0.1 by " in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def only(found: list[Finding], place: str) -> Finding:
    (one,) = [finding for finding in found if finding.place == place]
    return one


def test_a_machine_that_nobody_knows_is_told(cluster: ClusterFile) -> None:
    found = only(of(replace(cluster, workers=("nowhere.invalid",))), "nowhere.invalid")
    assert found.level == "error"
    assert found.found == "there is no machine of that name"


def test_a_closed_port_is_told(cluster: ClusterFile) -> None:
    port = free_port()
    found = only(of(replace(cluster, workers=(), port=port))[:-1], "127.0.0.1")
    assert str(found) == (
        f"error    127.0.0.1: port {port} does not answer: connection refused. "
        f"Start sshd there, and let port {port} through the firewalls between."
    )


def test_a_key_that_does_not_open_is_told(cluster: ClusterFile) -> None:
    assert cluster.key
    wrong = cluster.key.with_name("host")
    found = only(of(replace(cluster, workers=(), key=wrong))[:-1], "127.0.0.1")
    assert found.level == "error"
    assert f"ssh does not let {cluster.user} in: " in found.found
    assert "Permission denied (publickey" in found.found
    assert f"Run `ssh-copy-id -i {wrong} {cluster.user}@127.0.0.1`" in found.remedy


@pytest.mark.parametrize(
    ("mode", "told"),
    [(None, "there is no such key"), (0o644, "others may read the key, so ssh does not use it")],
    ids=["no key", "a key for all to read"],
)
def test_a_key_that_cannot_be_used_is_told_before_ssh_is_asked(
    cluster: ClusterFile, tmp_path: Path, mode: int | None, told: str
) -> None:
    assert cluster.key
    key = tmp_path / "key"
    if mode is not None:
        shutil.copy(cluster.key, key)
        key.chmod(mode)
    first, *_ = of(replace(cluster, workers=(), key=key))
    assert (first.level, first.place, first.found) == ("error", str(key), told)


def test_a_machine_without_mmsearch_and_one_without_python_are_told(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    with sshd(tmp_path / "a", profile=f"export PATH={tmp_path}:/usr/bin:/bin PYTHONPATH=") as bare:
        (found,) = [f for f in of(bare) if "mmsearch" in f.found]
        assert "neither mmsearch nor Ray is installed yet" in found.found
    with sshd(tmp_path / "b", profile="python3() { echo none >&2; return 127; }") as none:
        (found,) = [f for f in of(none)[:-1] if f.level == "error"]
        assert found.found == "python3 does not answer there: none"
