"""What a gang does when one of its workers is lost."""

from typing import Any

import pytest
import ray
from test_cluster import study

from mmsearch.cluster.gang import Gang
from mmsearch.cluster.messages import Begin, Broken
from mmsearch.cluster.pulse import PATIENCE
from mmsearch.seeds import Seed

BEGIN = Begin(7, {}, Seed(0, 7), None, "checkpoints", "log")


class Losing(Gang):
    """A gang whose workers lie on these nodes, and are lost at the first order."""

    def __init__(self, nodes: tuple[str, ...], error: Exception) -> None:
        self.setup(
            {"gang": "gang-000"},
            study=study(),
            parcel=[None],
            mailbox=None,
            gpus_per_worker=0.0,
            patience=PATIENCE,
        )
        self._nodes = nodes
        self._error = error

    def _started(self) -> list[Any]:
        return []

    def _is_placed(self) -> bool:
        return True

    def _all(self, method: str, *arguments: Any) -> list[Any]:
        if method == "host":
            return [("host", "10.0.0.1", 1, node) for node in self._nodes]
        return []

    def _calls(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        raise self._error


LOST = ray.exceptions.ActorDiedError()
KILLED = ray.exceptions.OutOfMemoryError("the machine's memory")


@pytest.mark.parametrize(
    ("nodes", "error", "loss"),
    [
        pytest.param(("a", "a"), LOST, "lost", id="a worker of one node"),
        pytest.param(("a", "b"), KILLED, "oom", id="memory of one of two nodes"),
    ],
)
def test_a_gang_whose_place_stands_builds_itself_anew(
    nodes: tuple[str, ...], error: Exception, loss: str
) -> None:
    report = Losing(nodes, error)._carry_out(BEGIN)
    assert isinstance(report, Broken)
    assert (report.number, report.loss) == (7, loss)


def test_a_gang_that_spans_nodes_gives_its_place_up_with_a_lost_worker() -> None:
    with pytest.raises(ray.exceptions.ActorDiedError):
        Losing(("a", "b"), LOST)._carry_out(BEGIN)
