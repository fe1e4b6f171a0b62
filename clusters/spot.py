"""Tells Ray of this machine's spot notice, so that what trains here is saved and goes on elsewhere.

    python clusters/spot.py            # on a spot machine of AWS, for as long as it lives

AWS says two minutes before that a spot machine is taken away, to who asks its metadata service. Ray
is told as `ray drain-node` does: nothing new is placed here, and gangs save and leave.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

SERVICE = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
EVERY_S = 5.0
TIMEOUT_S = 2.0


def asked(path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> str:
    """What the metadata service answers."""
    request = urllib.request.Request(f"{SERVICE}{path}", method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return answer.read().decode()


def notice() -> float | None:
    """Seconds until this machine is taken away; None while nobody says so."""
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = asked("/latest/api/token", method="PUT", headers=lifetime)
        told = json.loads(
            asked(
                "/latest/meta-data/spot/instance-action",
                headers={"X-aws-ec2-metadata-token": token},
            )
        )
        end = datetime.fromisoformat(told["time"])
    except (OSError, ValueError, LookupError):  # 404 is the service's word for no notice.
        return None
    return max(1.0, (end - datetime.now(UTC)).total_seconds())


def drain(seconds: float) -> None:
    """Tells Ray that this node has so long to live."""
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    node = ray.get_runtime_context().get_node_id()
    command = [str(Path(sys.executable).with_name("ray")), "drain-node", f"--node-id={node}"]
    command += ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot notice"]
    subprocess.run([*command, f"--deadline-remaining-seconds={int(seconds)}"], check=True)


def main() -> None:
    """Asks until there is a notice."""
    while (seconds := notice()) is None:
        time.sleep(EVERY_S)
    print(f"this machine is taken away in {seconds:.0f} s", flush=True)
    drain(seconds)


if __name__ == "__main__":
    main()
