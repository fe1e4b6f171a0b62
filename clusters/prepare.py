"""What `ray up` needs before its first run: Ray's token, and the versions that every node gets.

The versions are those of the environment that runs this, so that what was tried here is what
trains there; they go to `constraints.txt` beside this file. A token that is there already stays.
"""

import platform
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).parent / "constraints.txt"
TOKEN = Path.home() / ".ray" / "auth_token"
OURS = "mmsearch"


def constraints() -> list[str]:
    """A line `name==version` for each package here, for pip's `--constraint`.

    Without local labels: the node of `torch==2.9.1+cpu` here may take the build for its GPU.
    """
    found = {
        re.sub(r"[-_.]+", "-", one.name).lower(): one.version.partition("+")[0]
        for one in distributions()
    }
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name != OURS]


def make_token() -> None:
    """Ray's own, readable by this user alone."""
    TOKEN.parent.mkdir(mode=0o700, exist_ok=True)
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "get-auth-token", "--generate"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    TOKEN.chmod(0o600)


def main() -> None:
    """Writes both and says so."""
    lines = constraints()
    head = f"# Written by prepare.py under Python {platform.python_version()}."
    CONSTRAINTS.write_text("\n".join([head, *lines, ""]))
    make_token()
    print(f"{CONSTRAINTS}: {len(lines)} packages as they are here")
    print(f"{TOKEN}: the cluster's token; keep it to yourself")


if __name__ == "__main__":
    main()
