"""The doctor on a running cluster of two nodes, both on this machine."""

from pathlib import Path

import pytest
from toy_nodes import nodes

from mmsearch.doctor.attached import surveyed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("nodes")]


def test_nodes_are_looked_over_and_meet(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.npz").write_bytes(b"numbers")
    out = tmp_path / "studies"
    with nodes({"num_cpus": 1}, {"num_cpus": 0}) as cluster:
        found = [*surveyed(cluster.address, out=str(out), data=str(tmp_path / "data"))]
    assert not [finding for finding in found if finding.level == "error"]
    (node,) = {f.place for f in found if f.place.startswith("node ")}
    said = [finding.found for finding in found if finding.place == node]
    assert "versions and code are those of the driver's machine" in said
    assert f"shares {out} with the driver's machine, both ways" in said
    assert f"{tmp_path / 'data'} is the same" in said
    assert any(told.startswith("its clock differs from that of the driver") for told in said)
    assert found[-1].place == "between 2 machines"
    assert found[-1].found.startswith("all-reduce of 16 MB at ")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
