"""The command line of the doctor."""

import json
from pathlib import Path

import pytest
from toy_sshd import free_port
from typer.testing import CliRunner

from mmsearch.cli import app
from mmsearch.doctor import here, ssh

FILE = "provider: {type: local, head_ip: 127.0.0.1, worker_ips: []}\nauth: {ssh_user: ada}\n"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster file of a machine at which nothing listens."""
    port, knock = free_port(), ssh.knock
    monkeypatch.setattr(ssh, "knock", lambda host, _: knock(host, port))
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    return path


def test_an_error_is_a_line_and_an_exit_status(cluster: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(cluster)])
    assert done.exit_code == 1
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("error    127.0.0.1: port ")
    assert last == "2 errors, 0 warnings"


def test_findings_are_json_on_request(cluster: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(cluster), "--json"])
    assert done.exit_code == 1
    first, _ = json.loads(done.stdout)
    assert (first["level"], first["place"]) == ("error", "127.0.0.1")
    assert "Start sshd there" in first["remedy"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["none.yaml"], "error: none.yaml: cannot be read: no such file or directory."),
        (["a.yaml", "--address", "auto"], "error: --address: a cluster file and a running cluster"),
        (["--address", "127.0.0.1:1"], "error: --address: no Ray cluster answers"),
    ],
    ids=["no file", "both", "no Ray"],
)
def test_a_mistake_is_told_with_status_2(options: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["doctor", *options])
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("dataset", "level", "told"),
    [
        ("mfeat", "ok", "dataset mfeat is there"),
        ("rosmap", "error", "rosmap"),
        ("x", "error", "'x'"),
    ],
)
def test_the_dataset_that_is_needed_is_there_or_not(
    dataset: str, level: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    monkeypatch.setattr(here, "_meeting", lambda: here.Finding("ok", "here", "nobody met"))
    found = [*here.surveyed(out=".", data=None, dataset=dataset)]
    assert (found[-2].level, told in str(found[-2])) == (level, True)


@pytest.mark.slow
def test_two_workers_meet_on_this_machine() -> None:
    *_, meeting = here.surveyed(out=".", data=None, dataset=None)
    assert meeting.level == "ok"
    assert meeting.found.startswith("2 workers meet, all-reduce of 16 MB at ")
