"""A spot machine's notice, as AWS's metadata service gives it, comes to Ray's drained node."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import ray
from toy_nodes import nodes

ROOT = Path(__file__).resolve().parent.parent


class Service(BaseHTTPRequestHandler):
    """Version 2 of it: no token, no answer; and no notice, no such page."""

    told: str | None = None

    def do_PUT(self) -> None:
        known = self.path == "/latest/api/token"
        self._answer(200 if known else 404, "secret")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "secret":
            self._answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.told:
            self._answer(200, self.told)
        else:
            self._answer(404, "")

    def _answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def spot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script, with a service of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(Service, "told", None)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
    spec = importlib.util.spec_from_file_location("spot", ROOT / "clusters" / "spot.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    server.shutdown()
    server.server_close()


def taken_at(moment: datetime) -> str:
    return json.dumps({"action": "terminate", "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"})


def test_without_a_notice_there_is_none(spot):
    assert spot.notice() is None


def test_where_no_service_answers_there_is_none(spot, monkeypatch):
    monkeypatch.setattr(spot, "SERVICE", "http://127.0.0.1:9")
    assert spot.notice() is None


def test_a_notice_says_how_many_seconds_are_left(spot, monkeypatch):
    monkeypatch.setattr(Service, "told", taken_at(datetime.now(UTC) + timedelta(seconds=120)))
    assert 115 < spot.notice() <= 120


def test_a_notice_of_the_past_leaves_a_second(spot, monkeypatch):
    monkeypatch.setattr(Service, "told", taken_at(datetime.now(UTC) - timedelta(seconds=9)))
    assert spot.notice() == 1.0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("nodes")
def test_ray_hears_of_it(spot, monkeypatch):
    from mmsearch.cluster.machines import draining

    monkeypatch.setattr(Service, "told", taken_at(datetime.now(UTC) + timedelta(seconds=120)))
    with nodes({"num_cpus": 1}) as cluster:
        ray.init(address=cluster.address, log_to_driver=False)

        class Holder:
            """Keeps its node from being idle: it would be gone at once."""

        holder = ray.remote(num_cpus=1)(Holder).remote()
        ray.get(holder.__ray_ready__.remote())
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        subprocess.run([sys.executable, spot.__file__], check=True, timeout=120)
        (node,) = ray.nodes()
        assert draining() == {node["NodeID"]}
