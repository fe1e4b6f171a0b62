"""Asks another machine by ssh for its facts, in the environment that Ray's own commands get there.

Unusual: the text of `facts` travels by standard input, so nothing of ours need be there.
"""

import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

from mmsearch.cluster import facts
from mmsearch.doctor.cluster_file import ClusterFile

KNOCK_S = 10.0
"""How long a machine may take to accept a connection."""
TIMEOUT_S = 300.0
"""How long it may take to answer: fingerprints of much data take long."""
OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={KNOCK_S:.0f}",
    "IdentitiesOnly=yes",
    "LogLevel=ERROR",
    # As Ray does: a machine that was set up anew has another key, and no harm is done here.
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
)


class Unreachable(Exception):  # noqa: N818  something that is found, not a mistake in a program
    """A machine gives no answer; says why, with a remedy."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


def knock(host: str, port: int) -> None:
    """Whether something listens there.

    Raises:
        Unreachable: no such machine, or nothing listens.
    """
    try:
        socket.create_connection((host, port), timeout=KNOCK_S).close()
    except socket.gaierror as error:
        remedy = "Mend the name in the cluster file, or give the machine's address."
        raise Unreachable("there is no machine of that name", remedy) from error
    except OSError as error:
        told = (error.strerror or str(error)).lower()
        remedy = f"Start sshd there, and let port {port} through the firewalls between."
        raise Unreachable(f"port {port} does not answer: {told}", remedy) from error


def call(host: str, cluster: ClusterFile, request: dict[str, Any]) -> Any:
    """What a function of `facts` answers on another machine.

    Args:
        host: its address.
        cluster: who logs in, and how.
        request: `call`, the function's name, and its arguments; all of it JSON.

    Raises:
        Unreachable: ssh does not let us in, or no Python answers.
    """
    asked = f"python3 - {shlex.quote(json.dumps(request))}"
    shell = f"{{ source ~/.bashrc; true; }} > /dev/null 2>&1; {asked}"
    try:
        done = subprocess.run(  # noqa: S603  ssh, with what the user's own file says
            [*_ssh(host, cluster), f"bash --login -c -i {shlex.quote(shell)}"],
            input=Path(facts.__file__).read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unreachable("there is no ssh here", "Install openssh-client here.") from error
    except subprocess.TimeoutExpired as error:
        remedy = "Log in by hand and look what holds it up."
        raise Unreachable(f"no answer within {TIMEOUT_S:.0f} s", remedy) from error
    answers = [line for line in done.stdout.splitlines() if line.startswith(facts.ANSWER)]
    if done.returncode == 0 and answers:
        return json.loads(answers[-1].removeprefix(facts.ANSWER))
    raise _refused(host, cluster, done)


def _ssh(host: str, cluster: ClusterFile) -> list[str]:
    key = [] if cluster.key is None else ["-i", str(cluster.key)]
    options = [part for option in OPTIONS for part in ("-o", option)]
    return ["ssh", "-p", str(cluster.port), *key, *options, "-l", cluster.user, "--", host]


def _refused(
    host: str, cluster: ClusterFile, done: "subprocess.CompletedProcess[str]"
) -> Unreachable:
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    told = said[-1].rstrip(".") if said else f"exit status {done.returncode}"
    key = f"-i {cluster.key} " if cluster.key else ""
    by_hand = f"ssh {key}{cluster.user}@{host}"
    if done.returncode != 255:
        remedy = f"Log in with `{by_hand}` and make `python3` of 3.11 or later answer there."
        return Unreachable(f"python3 does not answer there: {told}", remedy)
    if "Permission denied" in told:
        remedy = f"Run `ssh-copy-id {key}{cluster.user}@{host}`, or mend auth in the cluster file."
    else:
        remedy = f"Try `{by_hand}` by hand."
    return Unreachable(f"ssh does not let {cluster.user} in: {told}", remedy)
