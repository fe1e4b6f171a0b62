"""The parts of the cluster room that need no cluster: limits, shipping, machines, Tune's side."""

from types import SimpleNamespace

import pytest
import ray
import torch
import toys
from ray.tune.search import Searcher

from mmsearch.cluster import machines
from mmsearch.cluster.limits import Limits, check
from mmsearch.cluster.messages import Ready, Stretch
from mmsearch.cluster.shipping import pack, unpack
from mmsearch.cluster.tuning import GANG_LOSSES, Desk, Gangs
from mmsearch.errors import ClusterError
from mmsearch.seeds import Seed
from mmsearch.space import Space
from mmsearch.study import Budget, Objective, Study
from mmsearch.trial import Observation, Record, Trial


def study(**budget: float) -> Study:
    return Study(
        name="toy",
        method="selfmi",
        dataset="toy",
        seed=0,
        objective=Objective("valid/mae", "minimize"),
        budget=Budget(trials=3, max_epochs=4, **budget),
        space=Space({}),
        published={},
        text="",
    )


def record(*seconds: float) -> Record:
    observations = tuple(Observation(n, {}, s) for n, s in enumerate(seconds, start=1))
    trial = Trial(0, {}, {}, Seed(0, 0), observations=observations)
    return Record("toy", "valid/mae", "minimize", "", {}, (trial,))


def test_gpu_hours_count_every_gpu_of_every_sitting():
    limits = Limits(study(gpu_hours=1.0), record(1000.0, 400.0), gpus_per_trial=2.0)
    assert limits.reached() is None
    limits.observed(record().trials[0], [Observation(3, {}, 399.0)])
    assert limits.reached() is None
    limits.observed(record().trials[0], [Observation(4, {}, 1.0)])
    assert limits.reached() == "1 GPU-hours are spent"


def test_a_limit_of_gpu_hours_without_gpus_is_refused():
    with pytest.raises(ClusterError, match="trials train on no GPU and never use any up, got 2"):
        check(study(gpu_hours=2.0).budget, gpus_per_trial=0.0)


def test_a_deadline_is_reached_when_its_time_has_gone():
    assert Limits(study(wall_hours=1.0), record(), gpus_per_trial=0.0).reached() is None
    reached = Limits(study(wall_hours=1e-12), record(), gpus_per_trial=0.0).reached()
    assert reached == "the deadline is reached"


def test_data_arrives_at_a_worker_as_it_was_sent():
    sent = toys.toy_data()
    got = unpack(pack(sent))
    assert got.fingerprint == sent.fingerprint
    assert torch.equal(got.task.train_target, sent.task.train_target)
    for left, right in ((sent.train, got.train), (sent.valid, got.valid)):
        assert torch.equal(left.target, right.target)
        assert torch.equal(left.rows, right.rows)
        assert left.inputs.keys() == right.inputs.keys()
        for name in left.inputs:
            assert torch.equal(left.inputs[name], right.inputs[name])
            assert torch.equal(left.lengths[name], right.lengths[name])


def test_tune_is_asked_for_the_gangs_that_are_wanted_and_for_successors_of_dead_ones():
    wanted = 2
    gangs = Gangs(lambda: wanted)
    assert [gangs.suggest("a"), gangs.suggest("b")] == [{"gang": "gang-000"}, {"gang": "gang-001"}]
    assert gangs.suggest("c") is None
    gangs.on_trial_complete("a", error=True)
    assert gangs.suggest("c") == {"gang": "gang-002"}
    wanted = 0
    assert gangs.suggest("d") == Searcher.FINISHED


class FakeDispatcher:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def reported(self, gang: str, report: object) -> None:
        self.heard.append((gang, report))

    def gone(self, gang: str) -> None:
        self.heard.append((gang, "gone"))


def gang(name: str) -> SimpleNamespace:
    return SimpleNamespace(config={"gang": name}, get_error=lambda: "ImportError: no torch")


def test_reports_and_deaths_reach_the_dispatcher():
    dispatcher = FakeDispatcher()
    desk = Desk(dispatcher, tick=lambda: None, fail=lambda _: None)
    assert desk.on_trial_result(None, gang("a"), {"report": Ready("host")}) == "CONTINUE"
    assert desk.on_trial_result(None, gang("a"), {"done": True}) == "STOP"
    desk.on_trial_error(None, gang("b"))
    assert dispatcher.heard == [("a", Ready("host")), ("b", "gone")]


def test_gangs_that_die_one_after_another_end_the_search_with_the_reason():
    failures: list[Exception] = []
    desk = Desk(FakeDispatcher(), tick=lambda: None, fail=failures.append)
    for _ in range(GANG_LOSSES - 1):
        desk.on_trial_error(None, gang("a"))
    desk.on_trial_result(None, gang("b"), {"report": Ready("host")})
    for _ in range(GANG_LOSSES - 1):
        desk.on_trial_error(None, gang("c"))
    assert not failures
    desk.on_trial_error(None, gang("c"))
    with pytest.raises(ClusterError, match=r"3 gangs died one after another .* no torch"):
        raise failures[0]


def test_gangs_that_have_trained_may_be_lost_with_their_machines_however_many_at_once():
    failures: list[Exception] = []
    desk = Desk(FakeDispatcher(), tick=lambda: None, fail=failures.append)
    for name in "abcd":
        desk.on_trial_result(None, gang(name), {"report": Stretch(number=0)})
    for name in "abcd":
        desk.on_trial_error(None, gang(name))
    for name in "ef":
        desk.on_trial_error(None, gang(name))
    assert not failures
    desk.on_trial_error(None, gang("g"))
    assert len(failures) == 1


def test_a_ray_that_does_not_start_is_told_with_its_reason(monkeypatch):
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.")  # noqa: TRY002  as Ray

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match=r"Ray: it does not start .*timed out.* --resume"):
        machines.start(None)
