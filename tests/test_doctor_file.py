"""What the doctor reads of a cluster file."""

from pathlib import Path

import pytest

from mmsearch.doctor.cluster_file import ClusterFile, read
from mmsearch.errors import ClusterError

FILE = """
cluster_name: mmsearch
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2, gpu3]}
auth: {ssh_user: ada, ssh_private_key: ~/.ssh/id_ed25519}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return path


def test_a_cluster_file_gives_machines_and_who_logs_in(tmp_path: Path) -> None:
    found = read(written(tmp_path, FILE))
    assert found == ClusterFile("10.0.0.1", ("10.0.0.2", "gpu3"), "ada", found.key)
    assert found.key == Path.home() / ".ssh" / "id_ed25519"
    assert found.hosts == ("10.0.0.1", "10.0.0.2", "gpu3")
    assert not found.in_container
    docker = FILE + "docker: {container_name: ray, image: a}"
    assert read(written(tmp_path, docker)).in_container


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(("10.0.0.1", ""), "provider head_ip: expected an address, got None. Fill"),
        pytest.param(("[10.0.0.2, gpu3]", "gpu3"), "worker_ips: expected a list of addresses, got"),
        pytest.param(("ada", "7"), "auth ssh_user: expected the name of an account, got 7"),
        pytest.param(
            ("local", "aws"),
            "provider: names no machines, as its provider starts them itself, got type 'aws'. "
            "Start it with `ray up`, then run the doctor there with --address auto.",
        ),
        pytest.param(("provider", "- provider"), "is not YAML: "),
        pytest.param((FILE, "- a"), "holds no table. Give a cluster file of Ray."),
    ],
    ids=["no head", "no list", "no account", "a cloud", "no YAML", "no table"],
)
def test_what_is_wrong_with_a_cluster_file_is_told(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    path = written(tmp_path, FILE.replace(*change))
    with pytest.raises(ClusterError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


def test_all_mistakes_of_a_cluster_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        read(written(tmp_path, "provider: {type: local}"))
    assert len(caught.value.problems) == 3


def test_a_cluster_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot be read: no such file or directory"):
        read(tmp_path / "none.yaml")
