"""A gang trains on while it reports, where no verdict can come between."""

from dataclasses import replace
from typing import Any

import pytest
from test_cluster import study

from mmsearch.cluster.gang import Gang
from mmsearch.cluster.messages import Begin, Go, Save, Stretch
from mmsearch.cluster.pulse import PATIENCE
from mmsearch.seeds import Seed
from mmsearch.study import Budget, Scheduler
from mmsearch.trial import Checkpoint, Failed, Observation

BEGIN = Begin(7, {}, Seed(0, 7), None, "checkpoints", "log")
BROKEN = Failed("error", "broken")
RUNG, FULL = 3, 5


class Slow(Gang):
    """A gang of one whose worker takes a second for an epoch, and may fail in one."""

    def __init__(self, *, fails_in: int = 0, epoch_s: float = 1.0) -> None:
        self.epoch_s = epoch_s
        self.setup(
            {"gang": "gang-000"},
            study=replace(
                study(),
                budget=Budget(trials=1, max_epochs=FULL),
                scheduler=Scheduler("halving", RUNG),
            ),
            parcel=[None],
            mailbox=None,
            gpus_per_worker=0.0,
            patience=PATIENCE,
        )
        self._workers = [None]
        self._fails_in = fails_in
        self.asked: list[str] = []
        """What the worker was told, and up to which epoch."""

    def _calls(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        (order,) = arguments
        self.asked.append(f"{type(order).__name__} {keywords['until']}")
        return [(order, keywords["until"], keywords["save"])]

    def _answers(self, calls: list[Any], *, until_one_fails: bool = False) -> list[Any]:
        ((order, until, save),) = calls
        if until == self._fails_in:
            return [(Stretch(7, failed=BROKEN), 0.0)]
        trained = () if isinstance(order, Save) else (Observation(until, {}, self.epoch_s),)
        saved = Checkpoint("there", self.epoch(trained), 1) if save else None
        return [(Stretch(7, trained, until == FULL and bool(trained), checkpoint=saved), 0.1)]

    def epoch(self, trained: tuple[Observation, ...]) -> int:
        return trained[-1].epoch if trained else self._pace._epoch

    def told(self, order: Begin | Go | Save) -> Stretch:
        report = self._carry_out(order)
        assert isinstance(report, Stretch)
        return report


def epochs(stretch: Stretch) -> list[int]:
    return [observation.epoch for observation in stretch.observations]


def test_the_next_stretch_is_under_way_when_one_is_reported() -> None:
    gang = Slow()
    assert epochs(gang.told(BEGIN)) == [1]
    assert gang.asked == ["Begin 1", "Go 2"]
    assert epochs(gang.told(Go())) == [2]
    assert gang.asked == ["Begin 1", "Go 2", "Go 3"]


def test_a_gang_waits_for_the_verdict_at_a_rung_and_at_the_end() -> None:
    gang = Slow()
    reported = [epochs(gang.told(order)) for order in (BEGIN, Go(), Go())]
    assert reported[-1] == [RUNG]
    assert gang.asked[-1] == f"Go {RUNG}", "nothing is under way"
    assert [epochs(gang.told(Go())), epochs(gang.told(Go()))] == [[4], [FULL]]
    assert gang.asked[-1] == f"Go {FULL}", "nothing is under way"


def test_a_gang_with_long_epochs_waits_for_its_orders_which_may_be_to_save() -> None:
    gang = Slow(epoch_s=1.1)
    gang.told(BEGIN)
    assert gang.asked == ["Begin 1"]


def test_what_is_under_way_is_reported_with_the_checkpoint_that_is_asked_for() -> None:
    gang = Slow()
    gang.told(BEGIN)
    saved = gang.told(Save())
    assert epochs(saved) == [2]
    assert saved.checkpoint == Checkpoint("there", 2, 1)
    assert gang.asked == ["Begin 1", "Go 2", "Save 3"]


@pytest.mark.parametrize("fails_in", [2, FULL])
def test_a_trial_that_ends_in_what_is_under_way_is_not_saved_but_reported(fails_in: int) -> None:
    gang = Slow(fails_in=2 if fails_in == 2 else 0)
    gang.told(BEGIN)
    for _ in range(fails_in - 2):
        gang.told(Go())
    ended = gang.told(Save())
    assert ended.finished or ended.failed == BROKEN
    assert not any(asked.startswith("Save") for asked in gang.asked)
