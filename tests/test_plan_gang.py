"""Plans on gangs: two workers at every stage, and gangs that run out of memory, without Ray."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training as toy
from test_plan import DATA, EPOCHS, NO_DROPOUT, scarce, study, trainer
from toy_gang import Gang as Processes

from mmsearch.cluster.gang import Gang
from mmsearch.cluster.messages import Begin, Go, Save, Stretch
from mmsearch.cluster.pace import Pace
from mmsearch.cluster.pulse import PATIENCE, Pulse
from mmsearch.cluster.segment import Segments
from mmsearch.cluster.shipping import pack
from mmsearch.study import Resources
from mmsearch.training import Plan, Thrift, Worker, checkpoint
from mmsearch.trial import Checkpoint

Curve = list[dict[str, float]]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A gang of one process, whose output goes where its trials' does."""
    alone = Processes(tmp_path_factory.mktemp("alone"), 1)
    yield alone
    alone.close()


class Here(Gang):
    """A gang's leader with this process as its only worker, or as one whose likes do the same."""

    def __init__(self, worker: Worker) -> None:
        self._rank = worker.rank
        self.built = 0
        workers = Resources(workers=worker.world_size)
        self.setup(
            {"gang": "here"},
            study=study(resources=workers),
            parcel=[pack(DATA)],
            mailbox=None,
            gpus_per_worker=0.0,
            patience=PATIENCE,
        )

    def _assemble(self) -> str:
        pulse = Pulse(PATIENCE)
        own = Segments(self._study, self._parcel, rank=self._rank, gpu=False, pulse=pulse)
        self._workers = [own]
        self.built += 1
        return "here"

    def cleanup(self) -> None:
        self._workers = []

    def _calls(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        """What is under way is trained when its answer is wanted."""
        return [partial(getattr(w, method), *arguments, **keywords) for w in self._workers]

    def _answers(self, calls: list[Any], *, until_one_fails: bool = False) -> list[Any]:
        return [call() for call in calls]

    def finished(self, order: Begin | Go) -> list[Stretch]:
        """What comes of an order and of all after it, to the end of the trial."""
        stretches = [self._carry_out(order)]
        while not (stretches[-1].finished or stretches[-1].failed):
            stretches.append(self._carry_out(Go()))
        return stretches


def epoch_by_epoch(worker: Worker) -> Here:
    """A gang that waits for a verdict after every epoch."""
    gang = Here(worker)
    gang._pace = Pace(rungs=tuple(range(1, EPOCHS)), max_epochs=EPOCHS)
    return gang


def begin(folder: Path, config: dict[str, Any] = NO_DROPOUT, **changes: Any) -> Begin:
    order = Begin(0, config, toy.SEED, None, str(folder / "trial"), str(folder / "log"))
    return replace(order, **changes)


def curve(stretches: list[Stretch]) -> Curve:
    """By epoch; of an epoch that was told twice the first."""
    seen: Curve = []
    for observation in (o for stretch in stretches for o in stretch.observations):
        if observation.epoch > len(seen):
            seen += toy.curve([observation])
    return seen


def planned(worker: Worker, plan: Plan | None) -> Curve:
    with trainer(worker, thrift=Thrift(since=plan)) as built:
        return toy.curve(built.advance(EPOCHS))


def undisturbed(worker: Worker, folder: Path) -> Curve:
    return curve(Here(worker).finished(begin(folder)))


def disturbed(worker: Worker, folder: Path, rows: int, epoch: int) -> tuple[Curve, int, bool]:
    """Curve, how often the workers were started, and whether the trial failed."""
    gang = Here(worker)
    with scarce(rows, epoch):
        stretches = gang.finished(begin(folder))
    return curve(stretches), gang.built, stretches[-1].failed is not None


def saved_and_disturbed(worker: Worker, folder: Path) -> list[int]:
    """Epochs of a trial that runs out of memory twice after a checkpoint."""
    gang = epoch_by_epoch(worker)
    stretches = [gang._carry_out(begin(folder)), gang._carry_out(Save())]
    with scarce(rows=2, epoch=2):
        stretches += gang.finished(Go())
    return [o.epoch for one in stretches for o in one.observations]


def last_checkpoint(worker: Worker, folder: Path, bar: float | None) -> Checkpoint | None:
    return Here(worker).finished(begin(folder, bar=bar))[-1].checkpoint


def without_room_to_save(worker: Worker, folder: Path) -> Stretch:
    gang = epoch_by_epoch(worker)
    gang._carry_out(begin(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", scarcely)
        return gang._carry_out(Save())


def scarcely(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def resumed(worker: Worker, folder: Path, since: Plan, thrift: int) -> tuple[list[int], str]:
    """Epochs that a trial trains when it goes on from a checkpoint of a plan, and its plan."""
    with trainer(worker, thrift=Thrift(since=since)) as before:
        before.advance(1)
        before.save(folder / "c")
    written = Checkpoint(str(folder / "c"), 1, worker.world_size)
    gang = Here(worker)
    first = gang._carry_out(begin(folder, checkpoint=written, thrift=thrift))
    (segments,) = gang._workers
    plan = str(segments._trainer.plan) if segments._trainer else "done"
    return [observation.epoch for observation in first.observations], plan


def close(found: Curve, expected: Curve, tolerance: float) -> None:
    for left, right in zip(found, expected, strict=True):
        assert left == pytest.approx(right, abs=tolerance, rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan", [Plan(stage, rows) for stage in range(4) for rows in (4, 3, 1)], ids=str
)
def test_two_workers_train_alike_under_every_plan(gang: Processes, plan: Plan) -> None:
    expected, _ = gang.call(planned, None)
    found, others = gang.call(planned, plan)
    assert found == others
    close(found, expected, 1e-3)


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_gang_that_ran_out_of_memory_completes_its_trial(
    one: Processes, tmp_path: Path, epoch: int
) -> None:
    (expected,) = one.call(undisturbed, tmp_path / "undisturbed")
    ((found, built, failed),) = one.call(disturbed, tmp_path, 3, epoch)
    assert not failed
    assert built == 1, "one worker stays warm"
    close(found, expected, 1e-5)
    log = (tmp_path / "log").read_text()
    assert "out of memory with ZeRO stage 0, micro-batches of 8; again with ZeRO stage 0" in log
    assert "trial 0 from epoch 0, ZeRO stage 0, micro-batches of 2" in log


def test_a_gang_of_two_is_started_anew_for_the_next_plan(gang: Processes, tmp_path: Path) -> None:
    (expected, *_), _ = gang.call(disturbed, tmp_path / "undisturbed", 8, 1)
    (found, built, failed), others = gang.call(disturbed, tmp_path, 1, 2)
    assert not failed
    assert built == 3
    assert others == (found, built, failed)
    close(found, expected, 1e-5)


def test_a_gang_with_no_plan_left_fails_its_trial(one: Processes, tmp_path: Path) -> None:
    ((_, _, failed),) = one.call(disturbed, tmp_path, 0, 1)
    assert failed


def test_a_trial_is_taken_up_again_from_its_last_checkpoint(one: Processes, tmp_path: Path) -> None:
    assert one.call(saved_and_disturbed, tmp_path) == [[1, 2, 3]]
    log = (tmp_path / "log").read_text()
    assert "trial 0 from epoch 1, ZeRO stage 0, micro-batches of 2" in log


@pytest.mark.parametrize(
    ("bar", "stays"),
    [(None, True), (1e9, True), (-1.0, False)],
    ids=["no incumbent", "better than the incumbent", "worse than the incumbent"],
)
def test_a_completed_trial_is_saved_if_it_may_be_the_incumbent(
    one: Processes, tmp_path: Path, bar: float | None, stays: bool
) -> None:
    (checkpoint,) = one.call(last_checkpoint, tmp_path, bar)
    assert (checkpoint is not None) is stays
    assert (tmp_path / "trial").exists() is stays


def test_want_of_memory_when_saving_costs_the_checkpoint_alone(
    one: Processes, tmp_path: Path
) -> None:
    (stretch,) = one.call(without_room_to_save, tmp_path)
    assert stretch == Stretch(0)


@pytest.mark.parametrize(
    ("since", "thrift", "epochs", "plan"),
    [
        (Plan(0, 2), 0, [2], Plan(0, 2)),
        (Plan(0, 2), 1, [2], Plan(0, 1)),
        (Plan(0, 1), 1, [1, 2], Plan(1, 1)),
        (Plan(2, 1), 0, [2], Plan(2, 1)),
    ],
    ids=["as it was", "smaller micro-batches", "another stage, from the start", "a higher stage"],
)
def test_a_later_segment_follows_the_plan_of_its_checkpoint(
    gang: Processes, tmp_path: Path, since: Plan, thrift: int, epochs: list[int], plan: Plan
) -> None:
    found, _ = gang.call(resumed, tmp_path, since, thrift)
    assert found == (epochs, str(plan))
