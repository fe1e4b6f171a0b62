"""How a trial lies in memory: which plans it has, that all train alike, what running out does."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training as toy
from torch import Tensor
from toys import toy_data

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.methods.base import Method
from mmsearch.methods.baseline import Baseline
from mmsearch.study import Study
from mmsearch.training import OutOfMemory, Plan, Thrift, Trainer, Worker, plan_of, train
from mmsearch.training.gather import Share
from mmsearch.training.memory import Weights, fitting
from mmsearch.training.plan import choose
from mmsearch.trial import Completed, Failed, Observation, Verdict

EPOCHS = 3
NO_DROPOUT: dict[str, Any] = {
    "batch_size": 8,
    "dropout": 0.0,
    "encoder": {"kind": "mean", "dropout": 0.0},
    "text_encoder": {"kind": "mean", "dropout": 0.0},
}
DATA = toy_data(num_train=43)
GPU = torch.device("cuda", 0)
CUTS = ["0/8", "0/4", "0/2", "0/1"]
Report = Callable[[Observation], Verdict]


def study(method: str = "baseline", **changes: Any) -> Study:
    return replace(toy.study(max_epochs=EPOCHS), method=method, **changes)


def built(name: str, config: dict[str, Any] | None = None) -> Method:
    return methods.build(name, {"batch_size": 8, **(config or {})}, DATA.task)


def short(plan: Plan) -> str:
    """Stage and micro-batch."""
    return f"{plan.stage}/{plan.micro_batch}{' off' if plan.offload else ''}"


def known(asked: Study, method: Method, worker: Worker, **changes: Any) -> list[str]:
    settings: dict[str, Any] = {"rows": 8, "thrift": Thrift(), "fits": lambda _: True, **changes}
    return [short(plan) for plan in choose(asked, method, worker, **settings).known]


@contextmanager
def scarce(rows: int, epoch: int = 1) -> Iterator[None]:
    """A device on which the baseline trains on so many rows at once, from an epoch on."""
    losses = Baseline.losses

    def greedy(self: Baseline, batch: Batch, progress: Any) -> dict[str, Tensor]:
        if len(batch) > rows and progress.epoch >= epoch:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return losses(self, batch, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Baseline, "losses", greedy)
        yield


def trainer(
    worker: Worker, config: dict[str, Any] = NO_DROPOUT, thrift: Thrift | None = None
) -> closing[Trainer]:
    built = Trainer(study(), DATA, config, seed=toy.SEED, worker=worker, thrift=thrift)
    return closing(built)


@pytest.mark.parametrize(
    ("method", "worker", "table", "expected"),
    [
        ("baseline", Worker(), {}, CUTS),
        ("selfmi", Worker(), {}, ["0/8"]),
        (
            "baseline",
            Worker(world_size=2),
            {},
            ["0/4", "0/2", "0/1", "1/1", "2/1", "3/1"],
        ),
        ("selfmi", Worker(world_size=2), {}, ["0/4", "1/4", "2/4", "3/4"]),
        ("selfmi", Worker(world_size=2), toy.stage(2), ["2/4", "3/4"]),
        ("mim", Worker(world_size=2), {}, ["0/4", "0/2", "0/1"]),
        ("baseline", Worker(device=GPU), {}, [*CUTS, "1/1 off"]),
        ("selfmi", Worker(device=GPU, world_size=2), toy.stage(3), ["3/4", "3/4 off"]),
    ],
    ids=[
        "examples that count by themselves",
        "examples that are contrasted",
        "several workers",
        "several workers, contrasted",
        "a stage that was asked for",
        "a method that needs stage 0",
        "a GPU",
        "several GPUs",
    ],
)
def test_plans_grow_thriftier_as_the_method_and_the_gang_allow(
    method: str, worker: Worker, table: dict[str, Any], expected: list[str]
) -> None:
    assert known(study(method, deepspeed=table), built(method), worker) == expected


@pytest.mark.parametrize(
    ("config", "cut"),
    [
        ({"contrast_weight": 0.0}, True),
        ({"contrast_weight": 0.1}, False),
        ({"contrast_weight": 0.0, "label_mixup": "all"}, False),
    ],
)
def test_a_batch_is_cut_only_where_its_examples_share_nothing(
    config: dict[str, Any], cut: bool
) -> None:
    data = toy_data(("left", "right"), classes=3)
    method = methods.build("m3col", {"batch_size": 8, **config}, data.task)
    assert (len(known(study("m3col"), method, Worker())) > 1) is cut


def test_a_trial_that_goes_on_begins_with_the_plan_of_its_checkpoint() -> None:
    pair, thrift = Worker(world_size=2), Thrift(since=Plan(1, 2))
    found = known(study(), built("baseline"), pair, thrift=thrift)
    assert found == ["1/2", "1/1", "2/1", "3/1"]


def test_a_trial_never_grows_thriftier_than_its_last_plan() -> None:
    method, fits = built("baseline"), lambda _: True
    plans = choose(study(), method, Worker(), rows=8, thrift=Thrift(9), fits=fits)
    assert short(plans.current) == "0/1"
    assert plans.thriftier is None


def test_states_are_shared_out_by_stage() -> None:
    weights, stages = Weights(trained=100, fixed=10), [Plan(stage, 8) for stage in range(4)]
    found = [weights.state_bytes(plan, world_size=4) for plan in stages]
    assert found == [440 + 400 + 800, 440 + 400 + 300, 440 + 100 + 300, 110 + 100 + 300]
    off = Plan(3, 8, offload=True)
    assert weights.state_bytes(off, world_size=4) == 110 + 100


@pytest.mark.parametrize(
    ("limit", "first"),
    [(None, "0/4"), (1600, "0/4"), (1500, "1/4"), (1300, "2/4"), (100, "3/4")],
)
def test_a_trial_begins_with_the_first_stage_whose_states_fit(
    limit: int | None, first: str
) -> None:
    pair = Worker(world_size=2)
    fits = fitting(Weights(trained=100, fixed=0), pair, limit)
    assert known(study(), built("baseline"), pair, fits=fits)[0] == first


@pytest.mark.parametrize("total", [1, 3, 7, 8])
@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("micro_batch", [1, 2, 3, 8])
def test_pieces_hold_every_row_once_with_its_share_of_the_mean(
    total: int, world_size: int, micro_batch: int
) -> None:
    gang = [Share(total, Worker(rank=rank, world_size=world_size)) for rank in range(world_size)]
    pieces = [share.pieces(micro_batch) for share in gang]
    assert len({len(own) for own in pieces}) == 1, "workers meet after each piece"
    everything = [piece for own in pieces for piece in own]
    rows = [r for p in everything for r in p.of(torch.arange(total)).tolist() if p.size]
    assert rows == list(range(total))
    assert max(piece.size for piece in everything) <= micro_batch
    for piece in everything:
        assert piece.weight / world_size == pytest.approx(piece.size / total)


@pytest.mark.parametrize("micro_batch", [4, 3, 1])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"accumulation": 4, "accumulation_tail": "drop", "gradient_clipping": 0.1},
        {"unimodal_weight": 0.5, "fusion": {"kind": "late"}},
    ],
    ids=["as it is", "clipping, and a tail that is dropped", "terms of each modality"],
)
def test_a_batch_in_pieces_trains_as_the_whole_one_does(
    worker: Worker, micro_batch: int, config: dict[str, Any]
) -> None:
    with trainer(worker, NO_DROPOUT | config) as whole:
        expected = toy.curve(whole.advance(EPOCHS))
    thrift = Thrift(since=Plan(0, micro_batch))
    with trainer(worker, NO_DROPOUT | config, thrift) as cut:
        found = toy.curve(cut.advance(EPOCHS))
    assert [list(one) for one in found] == [list(one) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)


def test_the_state_of_the_optimiser_off_the_gpu_changes_nothing(worker: Worker) -> None:
    with trainer(worker) as on:
        expected = toy.curve(on.advance(EPOCHS))
    with trainer(worker, thrift=Thrift(since=Plan(1, 4, offload=True))) as off:
        found = toy.curve(off.advance(EPOCHS))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)


def ran(report: Report, method: str = "baseline", config: dict[str, Any] = NO_DROPOUT) -> Any:
    return train(study(method), config, seed=toy.SEED, data=DATA, report=report)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_trial_that_ran_out_of_memory_is_planned_again(
    worker: Worker, epoch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed: list[Observation] = []
    seen: list[Observation] = []

    def to(told: list[Observation]) -> Report:
        return lambda one: (told.append(one), Verdict.CONTINUE)[1]

    ran(to(undisturbed))
    with scarce(rows=3, epoch=epoch):
        assert ran(to(seen)) == Completed()
    for one, other in zip(toy.curve(seen), toy.curve(undisturbed), strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)
    said = capsys.readouterr().out
    plans = "ZeRO stage 0, micro-batches of {}".format
    assert f"out of memory with {plans(8)}; again with {plans(4)}: OutOfMemoryError: CUDA" in said
    assert f"out of memory with {plans(4)}; again with {plans(2)}: OutOfMemoryError: CUDA" in said


def test_a_trial_fails_when_no_plan_is_left_and_says_what_was_tried(worker: Worker) -> None:
    with scarce(rows=0):
        found = ran(lambda _: Verdict.CONTINUE)
    tried = "; ".join(f"ZeRO stage 0, micro-batches of {rows}" for rows in (8, 4, 2, 1))
    cause = "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB"
    assert found == Failed("oom", f"{cause}; tried {tried}")


def test_a_method_that_needs_whole_batches_fails_as_it_is(worker: Worker) -> None:
    config = {"runs_out_in": 1}
    found = train(
        toy.study(), config, seed=toy.SEED, data=toy.data(), report=lambda _: Verdict.CONTINUE
    )
    message = "RuntimeError: DefaultCPUAllocator: can't allocate memory"
    assert found == Failed("oom", message)


def test_what_is_no_want_of_memory_is_raised_as_it_is(worker: Worker) -> None:
    with trainer(worker) as one, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Baseline, "losses", lambda *_: {}["no such term"])
        with pytest.raises(KeyError, match="no such term"):
            one.advance(1)


def test_what_a_failed_step_held_is_let_go(worker: Worker) -> None:
    with scarce(rows=3), trainer(worker) as one:
        with pytest.raises(
            OutOfMemory, match="again with ZeRO stage 0, micro-batches of 4"
        ) as told:
            one.advance(1)
        cause = told.value.__cause__
        assert cause is not None
        frames = []
        trace = cause.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame)
            trace = trace.tb_next
        (greedy,) = [frame for frame in frames if frame.f_code.co_name == "greedy"]
        assert not greedy.f_locals


def test_a_checkpoint_says_under_which_plan_it_was_written(worker: Worker, tmp_path: Path) -> None:
    plan = Plan(0, 2)
    with trainer(worker, thrift=Thrift(since=plan)) as first:
        first.advance(1)
        first.save(tmp_path / "c")
    assert plan_of(tmp_path / "c") == plan
    with trainer(worker, thrift=Thrift(1, plan_of(tmp_path / "c"))) as second:
        second.load(tmp_path / "c")
        assert second.epoch == 1
        assert second.plan == Plan(0, 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plan": {"step": 1}}'])
def test_a_checkpoint_that_tells_no_plan_has_none(tmp_path: Path, text: str) -> None:
    assert plan_of(tmp_path) is None
    (tmp_path / "mmsearch.json").write_text(text)
    assert plan_of(tmp_path) is None
