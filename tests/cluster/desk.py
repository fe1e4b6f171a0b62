"""What a user does at the laboratory's desk: fills `cluster.yaml` in, and gives Ray's commands."""

import os
import subprocess
import sys
from pathlib import Path

from lab import ROOT, Lab

MOUNTED = ("mmsearch", "search_spaces", "pyproject.toml", "README.md", "LICENSE")
RAY_OPTIONS = "--num-cpus 1 --object-store-memory 100000000"
"""Hosts of a laboratory share two cores."""


def fill_in(text: str, lab: Lab) -> str:
    """The project's cluster file with addresses and user, and with this environment for all."""
    workers = ", ".join(host.address for host in lab.workers)
    path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    blanks = {
        "head_ip: 192.168.1.10 ": f"head_ip: {lab.head.address} ",
        "worker_ips: [192.168.1.11, 192.168.1.12] ": f"worker_ips: [{workers}] ",
        "ssh_user: ubuntu ": "ssh_user: root ",
        'MMSEARCH_READY_VENV=""': f'MMSEARCH_READY_VENV="{sys.prefix}"; export PYTHONPATH="{path}"',
        'MMSEARCH_RAY_OPTIONS=""': f'MMSEARCH_RAY_OPTIONS="{RAY_OPTIONS}"',
    }
    for blank, filled in blanks.items():
        assert text.count(blank) == 1, blank
        text = text.replace(blank, filled)
    return text


class Desk:
    """A copy of the project, and a terminal in it."""

    def __init__(self, lab: Lab) -> None:
        self._host = lab.desk
        self._project = lab.folder / "project"
        (self._project / "clusters").mkdir(parents=True)
        for name in MOUNTED:
            (self._project / name).symlink_to(ROOT / name)
        prepare = Path("clusters/prepare.py")
        (self._project / prepare).symlink_to(ROOT / prepare)
        text = (ROOT / "cluster.yaml").read_text()
        (self._project / "cluster.yaml").write_text(fill_in(text, lab))
        self._host.command(f"mkdir -m 700 ~/.ssh && cp {lab.folder}/key ~/.ssh/id_ed25519")

    def run(self, command: str) -> str:
        """What a command says, which must succeed."""
        code, said = self.try_(command)
        assert code == 0, said
        return said

    def try_(self, command: str) -> tuple[int, str]:
        """A command's exit code, and what it says."""
        with self.running(command) as process:
            said, _ = process.communicate(timeout=900)
        return process.returncode, said

    def running(self, command: str) -> subprocess.Popen[str]:
        """Starts a command in the project."""
        path = f"PATH={sys.prefix}/bin:$PATH PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
        return self._host.running(f"cd {self._project} && export {path} && {command}")
