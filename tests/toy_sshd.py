"""A real sshd on this machine, with a home folder of its own for who logs in."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from getpass import getuser
from pathlib import Path

import pytest

from mmsearch.doctor.cluster_file import ClusterFile

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
SetEnv HOME={home}
"""


@contextmanager
def sshd(folder: Path, *, profile: str) -> Generator[ClusterFile]:
    """A cluster file of one machine, into which the key `folder/key` lets us.

    Args:
        folder: for its files.
        profile: what a login shell does there.
    """
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("openssh-server is not installed")
    home = folder / "home"
    home.mkdir(parents=True)
    for name in (".bashrc", ".profile"):
        (home / name).write_text(profile)
    for name in ("host", "key"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    port = free_port()
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, home=home))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (folder / "log").open("w")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        _wait(port, server)
        yield ClusterFile("127.0.0.1", (), getuser(), folder / "key", port=port)
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_here() -> str:
    """A profile with this test's own environment."""
    paths = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
    return (
        "echo welcome\n"
        f"export PATH={Path(sys.executable).parent}:/usr/bin:/bin\n"
        f"export PYTHONPATH={':'.join(path for path in paths if path)}\n"
    )


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "sshd has ended"
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("sshd does not listen")
