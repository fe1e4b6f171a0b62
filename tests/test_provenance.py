"""What a search says about where its numbers come from."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from mmsearch import provenance


def git(folder: Path, *arguments: str) -> str:
    executable = shutil.which("git")
    if executable is None:
        pytest.skip("git is not installed")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run(
        [executable, *who, *arguments],
        cwd=folder,
        env=clean,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def a_checkout(folder: Path, *, name: str = "mmsearch") -> Path:
    """A package in a repository with one commit."""
    package = folder / "mmsearch"
    package.mkdir(parents=True)
    (package / "seeds.py").write_text("one = 1\n")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return package


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package in a folder of its own, as `provenance` finds itself."""
    package = tmp_path / "site" / "mmsearch"
    package.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    return package


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Only these programs can be found."""
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_everything_can_be_kept_as_json() -> None:
    facts = provenance.collect("f" * 64)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["fingerprints"]["data"] == "f" * 64


def test_versions_and_hardware_are_those_of_this_machine() -> None:
    facts = provenance.collect("x")
    assert facts["versions"]["python"] == platform.python_version()
    assert {"torch", "ray", "optuna", "deepspeed", "tensorboard"} <= set(facts["versions"])
    assert facts["hardware"]["cpu_cores"] == os.cpu_count()
    assert facts["hardware"]["cpu"]


def test_neither_the_machine_nor_a_folder_of_it_is_named() -> None:
    text = json.dumps(provenance.collect("x"))
    assert str(Path.home()) not in text
    assert str(Path(provenance.__file__).parent) not in text
    assert platform.node() not in text


def test_a_clean_checkout_gives_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = a_checkout(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    facts = provenance.collect("x")
    assert facts["commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert facts["dirty"] is False


@pytest.mark.parametrize("name", ["seeds.py", "new.py"], ids=["changed", "added"])
def test_a_checkout_with_changes_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = a_checkout(tmp_path)
    (package / name).write_text("two = 2\n")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert provenance.collect("x")["dirty"] is True


def test_variables_of_git_do_not_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = a_checkout(tmp_path / "one")
    a_checkout(tmp_path / "two", name="other")
    git(tmp_path / "two", "commit", "--quiet", "--allow-empty", "--message", "second")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two" / ".git"))
    assert provenance.collect("x")["commit"] == git(tmp_path / "one", "rev-parse", "HEAD")


def test_the_repository_of_the_working_directory_is_not_asked(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_checkout(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    assert "commit" not in provenance.collect("x")


def test_a_repository_around_an_installed_package_is_not_asked(
    tmp_path: Path, installed: Path
) -> None:
    a_checkout(tmp_path)
    assert tmp_path in installed.parents
    assert "commit" not in provenance.collect("x")


def test_an_untracked_copy_inside_a_repository_has_no_commit(
    tmp_path: Path, installed: Path
) -> None:
    a_checkout(tmp_path, name="other")
    (installed.parent / "pyproject.toml").write_text('[project]\nname = "mmsearch"\n')
    assert "commit" not in provenance.collect("x")


def test_code_has_the_same_fingerprint_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a.py").write_text("a = 1\n")
        (tmp_path / name / "notes.txt").write_text(name)
    here, there = tmp_path / "here", tmp_path / "there"
    assert provenance.code_fingerprint(here) == provenance.code_fingerprint(there)
    (there / "sub" / "a.py").write_text("a = 2\n")
    assert provenance.code_fingerprint(here) != provenance.code_fingerprint(there)


def test_gpus_are_named_with_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = 'printf "NVIDIA H200, 570.1\\nNVIDIA H200, 570.1\\n"'
    programs(tmp_path / "bin", monkeypatch, nvidia_smi=answer)
    hardware = provenance.collect("x")["hardware"]
    assert hardware["gpus"] == ["NVIDIA H200", "NVIDIA H200"]
    assert hardware["gpu_driver"] == "570.1"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo 'NVIDIA-SMI has failed'; exit 9", id="fails"),
        pytest.param("echo 'No devices were found'", id="finds none"),
        pytest.param("exec /bin/sleep 5", id="hangs"),
    ],
)
def test_a_machine_without_working_gpus_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(provenance, "TIMEOUT_S", 0.2)
    programs(tmp_path / "bin", monkeypatch, nvidia_smi=script)
    assert "gpus" not in provenance.collect("x")["hardware"]


def test_changes_to_the_code_can_be_applied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = a_checkout(tmp_path / "here")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    (package / "seeds.py").write_text("one = 2\n")
    (package / "new.py").write_text("two = 2")
    facts = provenance.collect("x")
    git(tmp_path, "clone", "--quiet", str(tmp_path / "here"), "there")
    (tmp_path / "change").write_text(facts["diff"])
    git(tmp_path / "there", "apply", str(tmp_path / "change"))
    for name in ("seeds.py", "new.py"):
        there = tmp_path / "there" / "mmsearch" / name
        assert there.read_text() == (package / name).read_text()


def test_changes_that_are_long_are_told_by_their_hash_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = a_checkout(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    (package / "new.py").write_text("line = 1\n" * provenance.SMALL)
    facts = provenance.collect("x")
    assert "diff" not in facts
    assert facts["diff_file"] == provenance.diff_file(provenance.changed_code())
