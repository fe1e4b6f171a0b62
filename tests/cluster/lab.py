"""A laboratory: several hosts on one Linux machine, as far apart as `ray up` can tell.

A host is a process in namespaces of its own: network, processes, mounts, name; it has its own
temporary folder, shared memory and home, and an sshd. A cable leads from it to a bridge, which is
in a namespace too. So nothing of this shows on the machine, and all of it goes when its processes
go, which they do with the process that built the laboratory, however that ends. What hosts share is
the machine's disk, where tests, environment and one folder for studies lie.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path("/mnt/shared")
"""The folder for studies, as hosts see it."""
NETWORK = "10.77.0"
PROGRAMS = ("ip", "nsenter", "setpriv", "unshare", "rsync", "ssh-keygen", "/usr/sbin/sshd")
MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Ends what follows when we end."""
APART = ("--net", "--mount", "--pid", "--uts")
BOOT = r"""
set -eu
hostname "$1" && root=$2 && shift 2
ip link set lo up
for own in tmp root; do
    mkdir -p "$root/$own"
    for path in "$@"; do
        case "$path" in /$own/*)
            mkdir -p "$root$path" && mount --rbind "$path" "$root$path";;
        esac
    done
done
mount -t tmpfs tmpfs /mnt && mkdir /mnt/shared && mount --bind "$root/../shared" /mnt/shared
mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /run && mkdir /run/sshd
# Its own name stands for 127.0.1.1, as Debian has it: who asks for it is led astray.
sed "s/^[0-9.]* $(hostname)$/127.0.1.1 $(hostname)/" "$root/../hosts" > "$root/hosts"
mount --bind "$root/hosts" /etc/hosts && mount --bind /dev/null /etc/resolv.conf
cp "$root/../key.pub" "$root/../sshd_config" "$root/../host_key" /run && chmod 600 /run/host_key
mount --rbind "$root/root" /root && mount --rbind "$root/tmp" /tmp
exec /usr/sbin/sshd -D -e -f /run/sshd_config
"""
SSHD = """
HostKey /run/host_key
AuthorizedKeysFile /run/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
"""


def why_not() -> str | None:
    """Why a laboratory cannot be built here, if so."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        packages = "iproute2 util-linux openssh-client openssh-server rsync"
        return f"no {', '.join(missing)}: install Debian's packages {packages}"
    if find_spec("aiohttp_cors") is None:
        return 'no dashboard of Ray, which `pip install -e ".[cluster]"` brings'
    if os.geteuid() != 0:
        return "namespaces need root"
    made = subprocess.run(["unshare", "--net", "--mount", "--pid", "true"], check=False)
    return None if made.returncode == 0 else "this root may not make namespaces"


@dataclass
class Bridge:
    """What all cables lead to; the gateway of every host, to nowhere."""

    holder: "subprocess.Popen[bytes]"

    @classmethod
    def laid(cls) -> "Bridge":
        """A new one."""
        bridge = cls(subprocess.Popen([*MORTAL, "unshare", "--net", "sleep", "infinity"]))
        wait_for(lambda: bridge._namespace() != Path("/proc/self/ns/net").readlink(), 30.0, 0.05)
        bridge.ip("link", "add", "bridge", "type", "bridge")
        bridge.ip("address", "add", f"{NETWORK}.254/24", "dev", "bridge")
        bridge.ip("link", "set", "bridge", "up")
        return bridge

    def join(self, number: int, pid: int) -> None:
        """Lays a cable to the namespace of a process."""
        port = f"port{number}"
        self.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self.ip("link", "set", port, "master", "bridge", "up")

    def ip(self, *arguments: str) -> None:
        ip(self.holder.pid, *arguments)

    def _namespace(self) -> Path:
        return Path(f"/proc/{self.holder.pid}/ns/net").readlink()


@dataclass
class Host:
    """One host; it is off until it is started."""

    name: str
    number: int
    folder: Path
    """Its own temporary folder and home, as this machine sees them."""
    bridge: Bridge = field(repr=False)
    machine: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    def start(self, keep: Sequence[Path]) -> None:
        """Switches it on: nothing of an earlier time is left but what is in its home.

        Args:
            keep: folders that it sees as this machine does.
        """
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        apart = [*MORTAL, "unshare", *APART, "--fork", "--kill-child", "--mount-proc"]
        boot = ["bash", "-c", BOOT, "boot", self.name, str(self.folder), *map(str, keep)]
        said = self.folder / "sshd.log"
        with said.open("wb") as log:
            self.machine = subprocess.Popen(
                [*apart, *boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(lambda: "Server listening" in said.read_text(), 60.0, every_s=0.05)
        self.bridge.join(self.number, self._init())
        ip(self._init(), "address", "add", f"{self.address}/24", "dev", "eth0")
        self.plug(out=False)

    def crash(self) -> None:
        """All that runs on it ends at once; returns when it has."""
        if self.machine is not None:
            psutil.Process(self._init()).kill()
            self.machine.wait()
            self.machine = None

    def command(self, text: str, *, timeout_s: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Runs a command of bash on it, as its user does after logging in."""
        with self.running(text) as process:
            said, _ = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(text, process.returncode, said)

    def running(self, text: str) -> subprocess.Popen[str]:
        """Starts a command of bash on it; output and errors are piped together."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", "TERM": "dumb", "USER": "root"}
        # A session that begins there: seen from there, our process group would be number 0, and
        # who kills by group would kill us.
        there = ["nsenter", f"--target={self._init()}", *APART, "setsid", "--wait"]
        return subprocess.Popen(
            [*there, "bash", "--login", "-c", text],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self, word: str = "") -> list[psutil.Process]:
        """What runs on it and has this word in its command line."""
        if self.machine is None or self.machine.poll() is not None:
            return []
        found = psutil.Process(self._init()).children(recursive=True)
        return [process for process in found if word in " ".join(command_line(process))]

    def plug(self, *, out: bool) -> None:
        """Pulls its network cable out, or plugs it in."""
        ip(self._init(), "link", "set", "eth0", "down" if out else "up")
        if not out:
            ip(self._init(), "route", "replace", "default", "via", f"{NETWORK}.254")

    def hide(self, path: Path, *, away: bool) -> None:
        """Takes a mounted disk from its sight, or gives it back."""
        done = self.command(f"mount -t tmpfs tmpfs {path}" if away else f"umount --lazy {path}")
        assert done.returncode == 0, done.stdout

    def _init(self) -> int:
        """The first of its processes, by this machine's count."""
        assert self.machine is not None, f"{self.name} is off"
        (init,) = psutil.Process(self.machine.pid).children()
        return init.pid


@dataclass(frozen=True)
class Lab:
    """Hosts on one bridge. The desk is where the user sits; it is no node."""

    folder: Path
    desk: Host
    head: Host
    workers: tuple[Host, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (self.desk, self.head, *self.workers)

    @property
    def shared(self) -> Path:
        """The folder for studies, as this machine sees it."""
        return self.folder / "shared"

    def start(self, host: Host) -> None:
        """Switches a host on that is off."""
        keep = [Path(sys.prefix), Path(sys.base_prefix), ROOT, *map(Path, on_path()), self.folder]
        host.start(keep)


@contextmanager
def built(folder: Path, *, workers: int) -> Iterator[Lab]:
    """A laboratory, for as long as the context lasts."""
    bridge = Bridge.laid()
    names = ["desk", "head", *(f"worker-{number}" for number in range(1, workers + 1))]
    hosts = [
        Host(name, number, folder / name, bridge) for number, name in enumerate(names, start=10)
    ]
    (folder / "shared").mkdir()
    known = [f"{host.address} {host.name}" for host in hosts]
    (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *known, ""]))
    (folder / "sshd_config").write_text(SSHD)
    for key in ("key", "host_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    lab = Lab(folder, hosts[0], hosts[1], tuple(hosts[2:]))
    try:
        for host in hosts:
            lab.start(host)
        yield lab
    finally:
        for host in hosts:
            host.crash()
        bridge.holder.kill()
        bridge.holder.wait()


def ip(pid: int, *arguments: str) -> None:
    """Runs `ip` in the network namespace of a process."""
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *arguments], check=True)


def on_path() -> list[str]:
    """Folders that Python's own path names beside the environment's."""
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def wait_for(condition, timeout_s: float = 600.0, every_s: float = 0.5) -> None:
    """Until it holds; fails the test where it does not in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(every_s)


def lab_or_skip() -> None:
    """Skips the test where no laboratory can be built."""
    reason = why_not()
    if reason:
        pytest.skip(f"no laboratory of hosts: {reason}")


def end(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGTERM) -> str:
    """Ends a command that runs on a host; what it had said."""
    for child in [*psutil.Process(process.pid).children(recursive=True)]:
        child.send_signal(how)
    said, _ = process.communicate(timeout=120)
    return said
