"""How many gangs fit on which nodes, and what an autoscaler may add."""

from typing import Any

import pytest

from mmsearch.cluster.growth import growth_of
from mmsearch.cluster.room import Room, counted, workers_on
from mmsearch.errors import ClusterError
from mmsearch.study import Resources


def node(cpus: float, gpus: float = 0) -> dict[str, float]:
    return {"CPU": cpus, "memory": 1e9} | ({"GPU": gpus} if gpus else {})


@pytest.mark.parametrize(
    ("nodes", "resources", "gangs", "share"),
    [
        pytest.param([node(2)], Resources(), 2, 0.0, id="laptop"),
        pytest.param([node(8)], Resources(workers=3), 2, 0.0, id="gangs of three"),
        pytest.param([node(64, 4)], Resources(), 4, 1.0, id="a GPU each"),
        pytest.param([node(64, 4)], Resources(gpus_per_worker=0.5), 8, 0.5, id="half a GPU"),
        pytest.param([node(64, 4)], Resources(gpus_per_worker=0.0), 64, 0.0, id="no GPU wanted"),
        pytest.param([node(64, 8)], Resources(workers=2), 4, 1.0, id="two GPUs each"),
        pytest.param([node(64, 8)], Resources(concurrent=3), 3, 1.0, id="three at a time"),
        pytest.param([node(3), node(3)], Resources(workers=2), 3, 0.0, id="the third spans both"),
        pytest.param([node(1.5), node(1.5)], Resources(workers=3), 0, 0.0, id="halves of CPUs"),
        pytest.param([node(2, 4), node(64)], Resources(), 2, 1.0, id="GPUs without CPUs"),
        pytest.param(
            [node(64, 4)], Resources(gpus_per_worker=0.4), 8, 0.4, id="a part is of one device"
        ),
        pytest.param([node(8, 1)], Resources(gpus_per_worker=1 / 3), 3, 1 / 3, id="thirds"),
        pytest.param(
            [node(8, 3), node(8, 3)], Resources(gpus_per_worker=2.0), 2, 2.0, id="two of three GPUs"
        ),
        pytest.param(
            [node(8, 1), node(8, 1)],
            Resources(workers=2, gpus_per_worker=1.0),
            1,
            1.0,
            id="a GPU on each of two nodes",
        ),
    ],
)
def test_as_many_gangs_as_the_nodes_hold(
    nodes: list[dict[str, float]], resources: Resources, gangs: int, share: float
) -> None:
    if gangs:
        assert counted(nodes, resources) == Room(gangs, share)
    else:
        with pytest.raises(ClusterError):
            counted(nodes, resources)


def test_a_trial_that_no_nodes_hold_is_refused_with_what_there_is() -> None:
    with pytest.raises(ClusterError) as caught:
        counted([node(2), node(64, 1)], Resources(workers=2, gpus_per_worker=1.0))
    assert str(caught.value) == (
        "[resources]: a trial asks for 2 workers with 1 CPU and 1 GPUs each, got room for 1 on 2 "
        "machines (2 CPUs and 0 GPUs, 64 CPUs and 1 GPUs). Ask for fewer workers or GPUs, or add "
        "machines."
    )


def test_nodes_that_may_come_hold_gangs_that_are_to_come() -> None:
    assert counted([node(2)], Resources(), growth=[node(4), node(4)]) == Room(2, 0.0, coming=8)
    assert counted([node(1)], Resources(workers=2), growth=[node(4)]) == Room(0, 0.0, coming=2)
    few = Resources(concurrent=3)
    assert counted([node(2)], few, growth=[node(4)]) == Room(2, 0.0, coming=1)
    with pytest.raises(ClusterError, match="got room for 3 on 2 machines"):
        counted([node(1)], Resources(workers=4), growth=[node(2)])


def cluster(**kinds: tuple[int, int, dict[str, float]]) -> dict[str, Any]:
    types = {
        name: {"min_workers": low, "max_workers": high, "resources": has}
        for name, (low, high, has) in kinds.items()
    }
    return {"head_node_type": "head", "available_node_types": types}


def test_what_may_come_is_what_the_cluster_file_allows_beyond_what_is_there() -> None:
    head = node(4)
    file = cluster(head=(0, 0, head), small=(1, 2, node(2)), big=(0, 2, node(16, 1)))
    assert growth_of(file, [head]) == [node(2), node(2), node(16, 1), node(16, 1)]
    assert growth_of(file, [head, node(2)]) == [node(2), node(16, 1), node(16, 1)]
    assert growth_of(file | {"max_workers": 2}, [head, node(2)]) == [node(2)]
    assert growth_of(file, [head, *[node(2)] * 4]) == []


def test_machines_of_a_list_are_taken_to_be_like_the_largest_that_is_there() -> None:
    file = {
        "provider": {"type": "local"},
        "max_workers": 3,
        "head_node_type": "local.cluster.node",
        "available_node_types": {
            "local.cluster.node": {"min_workers": 3, "max_workers": 3, "resources": {}}
        },
    }
    assert growth_of(file, [node(2), node(8)]) == [node(8), node(8)]
    assert growth_of(file, [node(2)] * 4) == []


@pytest.mark.parametrize(("share", "held"), [(0.25, 4), (0.33335, 2), (1e-9, 8), (1.0, 1)])
def test_a_part_of_a_gpu_is_counted_in_ten_thousandths(share: float, held: int) -> None:
    assert workers_on(node(8, 1), share) == held
