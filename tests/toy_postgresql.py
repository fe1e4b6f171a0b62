"""A real PostgreSQL server from Debian's package, in a folder of its own, for as long as a test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USERS = ("postgres", "nobody")
"""Whom the server runs as when we are root, whom it refuses."""


class Server:
    """A cluster without a network: reached through a socket in its folder."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        self._folder = folder
        self._binaries = binaries
        self.user = user
        self._as = ["runuser", "-u", user, "--"] if user else []
        if user:
            shutil.chown(folder, user)
        self._run("initdb", "--auth=trust", "--username=mmsearch", "--no-sync", "data")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        settings = {
            "listen_addresses": "''",
            "unix_socket_directories": self._folder,
            "fsync": "off",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        options += " -c fsync=off"
        wait = ("--wait", "--timeout=100")
        self._run("pg_ctl", "start", "--pgdata=data", "--log=log", *wait, f"--options={options}")

    def crash(self) -> None:
        """Ends it at once: sessions are cut off, nothing is written, the next start recovers."""
        self._run("pg_ctl", "stop", "--pgdata=data", "--mode=immediate")

    def create(self, database: str, tablespace: str = "pg_default") -> str:
        """A new database; its URL."""
        self.sql(f"CREATE DATABASE {database} TABLESPACE {tablespace}")
        return f"postgresql://mmsearch@/{database}?host={self._folder}"

    def sql(self, command: str, database: str = "postgres") -> str:
        """What psql answers to a command."""
        arguments = ["--host", str(self._folder), "--username=mmsearch", "--no-psqlrc", "-At"]
        return self._run("psql", *arguments, "--command", command, database)

    def _run(self, program: str, *arguments: str) -> str:
        said = self._folder / "said"  # A file, as a server would hold on to a pipe of ours.
        with said.open("wb") as output:
            done = subprocess.run(
                [*self._as, str(self._binaries / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
        assert done.returncode == 0, said.read_text()
        return said.read_text().strip()


def binaries() -> Path | None:
    """The newest server's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running() -> Iterator[Server]:
    """A server that runs; skips the test where there is none to run."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server: install Debian's package `postgresql`")
    pytest.importorskip("psycopg", reason='install "mmsearch[postgresql]"')
    user = None
    if os.geteuid() == 0:
        known = [name for name in USERS if _exists(name)]
        if not (known and shutil.which("runuser")):
            pytest.skip("root cannot run PostgreSQL, and there is no user to run it as")
        user = known[0]
    # A socket's path may have a hundred characters, which pytest's folders use up.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = Server(folder, programs, user)
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exists(user: str) -> bool:
    done = subprocess.run(["id", user], capture_output=True, check=False)
    return done.returncode == 0
