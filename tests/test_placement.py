"""Where Ray really places gangs, on several nodes of this machine."""

from collections.abc import Iterator

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from toy_nodes import nodes

from mmsearch.cluster import machines
from mmsearch.cluster.room import counted
from mmsearch.study import Resources

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("nodes")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    has = ({"num_cpus": 3}, {"num_cpus": 3}, {"num_cpus": 4, "num_gpus": 2}, {"num_gpus": 1})
    with nodes(*has) as several:
        machines.start(several.address)
        yield several


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param(Resources(gpus_per_worker=0.0), id="no GPUs"),
        pytest.param(Resources(workers=2, gpus_per_worker=0.0), id="gangs of two"),
        pytest.param(Resources(workers=4, gpus_per_worker=0.0, placement="spread"), id="spread"),
        pytest.param(Resources(), id="a GPU each"),
        pytest.param(Resources(workers=3), id="GPUs of two nodes"),
        pytest.param(Resources(gpus_per_worker=0.4), id="parts of GPUs"),
        pytest.param(Resources(gpus_per_worker=2.0), id="two GPUs"),
    ],
)
def test_ray_places_as_many_gangs_as_are_counted(cluster: Cluster, resources: Resources) -> None:
    room = machines.room(resources)
    assert room == counted([node["Resources"] for node in ray.nodes()], resources)
    bundles = [{"CPU": 1.0, "GPU": room.gpus_per_worker}] * resources.workers
    bundles = [{kind: value for kind, value in one.items() if value} for one in bundles]
    strategy = resources.placement.upper()
    groups = [placement_group(bundles, strategy=strategy) for _ in range(room.gangs)]
    try:
        assert all(group.wait(60) for group in groups)
        groups.append(placement_group(bundles, strategy=strategy))
        assert not groups[-1].wait(2)
    finally:
        for group in groups:
            remove_placement_group(group)


@pytest.mark.parametrize(("placement", "on"), [("PACK", 1), ("SPREAD", 3)])
def test_a_gang_is_packed_or_spread(cluster: Cluster, placement: str, on: int) -> None:
    group = placement_group([{"CPU": 1.0}] * 3, strategy=placement)
    try:
        assert group.wait(60)
        assert len(set(placement_group_table(group)["bundles_to_node_id"].values())) == on
    finally:
        remove_placement_group(group)
