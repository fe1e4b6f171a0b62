"""Paused trials and their gangs: saved, promoted, let go, whatever dies meanwhile."""

import pytest
from test_dispatcher import RUNG, Laboratory

from mmsearch.cluster.messages import Broken, Finish, Ready, Save
from mmsearch.trial import Completed, Stopped


def paused_laboratory(tmp_path, *, promising: set[int]) -> Laboratory:
    """Two gangs and five trials, of which 1 and 3 are paused at the rung."""
    lab = Laboratory(tmp_path, trials=5, gangs=2)
    lab.ledger.pausing, lab.ledger.promising = {1, 3}, promising
    return lab


def test_a_paused_trial_is_saved_and_its_gang_takes_another(tmp_path):
    lab = paused_laboratory(tmp_path, promising=set())
    for _ in range(RUNG):
        lab.step("gang-1")
    assert lab.mail["gang-1"] == Save()
    assert len(lab.ledger.trials) == 3, "its successor is proposed with the pause"
    lab.step("gang-1")
    assert lab.ledger.trials[1].checkpoint.epoch == RUNG
    assert lab.mail["gang-1"].number == 2


def test_a_promoted_trial_goes_on_from_where_it_was_paused(tmp_path):
    lab = paused_laboratory(tmp_path, promising={1})
    lab.run()
    first, second = lab.ledger.trials[1].segments
    assert (first.start_epoch, second.start_epoch) == (0, RUNG)
    assert isinstance(lab.ledger.trials[1].state, Completed)


def test_what_still_rests_when_all_is_trained_counts_as_stopped_and_leaves_no_checkpoint(tmp_path):
    lab = paused_laboratory(tmp_path, promising={1})
    lab.run()
    assert lab.ledger.trials[3].state == Stopped(rung=RUNG)
    assert not list((tmp_path / "checkpoints").glob("trial-0003*"))
    assert set(lab.mail.values()) == {Finish()}


@pytest.mark.parametrize("whole", [True, False], ids=["gang", "worker"])
def test_a_gang_that_dies_while_it_saves_costs_the_trial_no_attempt(tmp_path, whole):
    lab = paused_laboratory(tmp_path, promising={1})
    for _ in range(RUNG):
        lab.step("gang-1")
    del lab.mail["gang-1"]
    if whole:
        lab.dispatcher.gone("gang-1")
        lab.dispatcher.reported("gang-2", Ready("host"))
    else:
        lab.dispatcher.reported("gang-1", Broken(1, "a worker died"))
    lab.run()
    assert lab.ledger.trials[1].attempts == 0
    assert [s.start_epoch for s in lab.ledger.trials[1].segments] == [0, 0]
    assert isinstance(lab.ledger.trials[1].state, Completed)
