"""Curves of trials and studies that were killed, resumed, or are many."""

from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.context import RequestContext
from toy_curves import METRICS, SPACE, Page, a_study, a_trial, curves_of, points, seen

from mmsearch.curves import Curves
from mmsearch.space import Choice, Space
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Observation,
    Record,
    Running,
)


def test_a_resumed_trial_shows_what_the_record_knows_once(tmp_path: Path) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(epoch, 1 - epoch / 10) for epoch in (1, 2, 3, 4, 5)])
    on_record = tuple(seen(epoch, 1 - epoch / 10) for epoch in (1, 2, 3))
    trial = replace(trial, observations=on_record, checkpoint=Checkpoint("c", 2, 1))

    resumed = curves_of(tmp_path)
    resumed.began(trial)
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8), (3, 0.7)]
    resumed.observed(trial, [seen(3, 0.1), seen(4, 0.65)])
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.65)]
    assert points(tmp_path, "objective") == [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.65)]
    page = Page(tmp_path)
    assert page.curve("trial-0000", "train/loss") == [(e, 1.0) for e in (1, 2, 3, 4)]
    assert list(page.rows()) == ["trial-0000"]


def test_a_trial_that_starts_again_from_nothing_keeps_its_row(tmp_path: Path) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(1, 0.9), seen(2, 0.8)])
    resumed = curves_of(tmp_path)
    resumed.began(trial)
    assert points(tmp_path, "valid/mae") == []
    resumed.observed(trial, [seen(1, 0.6)])
    assert points(tmp_path, "valid/mae") == [(1, 0.6)]
    assert Page(tmp_path).values("trial-0000")["objective"] == pytest.approx(0.6)


def test_an_epoch_on_record_that_was_not_drawn_is_drawn_with_the_values_on_record(
    tmp_path: Path,
) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(1, 0.9)])
    valid_only = Observation(2, {"valid/mae": 0.8, "valid/corr": 0.5}, train_seconds=1.0)
    trial = replace(trial, observations=(seen(1, 0.9), valid_only))
    resumed = curves_of(tmp_path)
    resumed.began(trial)
    resumed.observed(trial, [seen(2, 0.1, loss=3.0)])
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8)]
    assert points(tmp_path, "train/loss") == [(1, 1.0), (2, 3.0)]


@pytest.mark.parametrize("ending", [None, Completed()], ids=["goes on", "has ended"])
def test_epochs_on_record_that_will_not_be_trained_again_are_drawn_from_the_record(
    tmp_path: Path, ending: Completed | None
) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(1, 0.9)])
    trial = replace(
        trial,
        observations=tuple(Observation(e, {"valid/mae": 1 - e / 10}, 1.0) for e in (1, 2, 3)),
        checkpoint=Checkpoint("c", 3, 1),
    )
    if ending:
        curves_of(tmp_path).ended(replace(trial, state=ending, checkpoint=None))
    else:
        curves_of(tmp_path).began(trial)
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8), (3, 0.7)]
    assert points(tmp_path, "objective") == [(1, 0.9), (2, 0.8), (3, 0.7)]


def test_many_sittings_in_one_second_are_read_in_order(tmp_path: Path) -> None:
    trial = a_trial()
    for epoch in range(1, 13):
        curves = curves_of(tmp_path)
        curves.began(trial)
        curves.observed(trial, [seen(epoch, 0.5), seen(epoch + 1, 0.1)])
        trial = replace(trial, observations=(*trial.observations, seen(epoch, 0.5)))
    assert points(tmp_path, "valid/mae") == [*((e, 0.5) for e in range(1, 13)), (13, 0.1)]


def test_a_record_torn_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(1, 0.9)])
    killed.observed(trial, [seen(2, 0.8)])
    (file,) = (tmp_path / "trial-0000").iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    trial = replace(trial, observations=(seen(1, 0.9), seen(2, 0.8)))
    resumed = curves_of(tmp_path)
    resumed.began(trial)
    resumed.observed(trial, [seen(2, 0.8), seen(3, 0.7)])
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8), (3, 0.7)]


def test_an_ending_that_a_kill_cut_off_can_be_written_later_and_only_once(tmp_path: Path) -> None:
    killed, trial = curves_of(tmp_path), a_trial()
    killed.began(trial)
    killed.observed(trial, [seen(1, 0.9)])
    ended = replace(trial, observations=(seen(1, 0.9),), state=Completed())
    curves_of(tmp_path).ended(ended)
    files = sorted((tmp_path / "trial-0000").iterdir())
    curves_of(tmp_path).ended(ended)
    assert Page(tmp_path).status("trial-0000") == "STATUS_SUCCESS"
    assert points(tmp_path, "valid/mae") == [(1, 0.9)]
    assert sorted((tmp_path / "trial-0000").iterdir()) == files


def test_catching_up_draws_the_endings_that_a_kill_cut_off_and_no_others(tmp_path: Path) -> None:
    killed = curves_of(tmp_path)
    for number in (0, 1):
        killed.began(a_trial(number))
    trials = (a_trial(0, state=Completed()), a_trial(1))
    record = Record("toy", "valid/mae", "minimize", "", {}, trials)
    curves_of(tmp_path).catch_up(record)
    page = Page(tmp_path)
    assert page.status("trial-0000") == "STATUS_SUCCESS"
    assert page.status("trial-0001") == "STATUS_UNKNOWN"


def test_a_resumed_study_describes_itself_once(tmp_path: Path) -> None:
    curves_of(tmp_path).began(a_trial(0))
    curves_of(tmp_path).began(a_trial(1))
    content = Page(tmp_path).context.hparams_metadata(RequestContext(), "")
    described = [run for run, tags in content.items() if "_hparams_/experiment" in tags]
    assert described == ["trial-0000"]


def test_two_studies_under_one_folder_keep_their_trials_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        curves_of(tmp_path / name).began(a_trial())
    assert set(Page(tmp_path).rows()) == {"one/trial-0000", "two/trial-0000"}


def test_a_hundred_trials_have_a_row_each_and_no_open_file(tmp_path: Path) -> None:
    curves = curves_of(tmp_path)
    trials = [a_trial(number) for number in range(100)]
    opened = set(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else set()
    for trial in trials:
        curves.began(trial)
    for trial in trials:
        curves.observed(trial, [seen(1, 0.5 + trial.number / 1000)])
    if opened:
        assert len(set(Path("/proc/self/fd").iterdir())) <= len(opened)
    rows = Page(tmp_path).rows()
    assert len(rows) == 100
    assert rows["trial-0099"]["metricValues"][0]["value"] == pytest.approx(0.599)


def test_a_generation_in_another_space_has_columns_of_its_own(tmp_path: Path) -> None:
    first = curves_of(tmp_path)
    trial = a_trial(observations=(seen(1, 0.9),), state=Completed(), ended_at=1.0)
    first.began(replace(trial, state=Running()))
    first.observed(trial, trial.observations)
    first.ended(trial)
    kept = {k: v for k, v in SPACE.parameters.items() if k not in {"dropout", "scale"}}
    space = Space({**kept, "scale": Choice((1, 2)), "hidden": Choice((8, 16))})
    second = Curves(tmp_path, replace(a_study(), space=space), metrics=METRICS)
    second.catch_up(Record("toy", "valid/mae", "minimize", "", {}, (trial,), generation=2))
    new = a_trial(1, arm={"fusion": "concat", "hidden": 8})
    second.began(new)
    second.observed(new, [seen(1, 0.5)])
    page = Page(tmp_path)
    names = {info.name for info in page.experiment().hparam_infos}
    assert "hidden" in names
    assert "dropout" not in names
    rows = page.rows()
    assert rows["trial-0001"]["hparams"]["hidden"] == 8
    assert page.status("trial-0000") == "STATUS_SUCCESS"
    assert page.curve("trial-0000", "valid/mae") == [(1, 0.9)]


def test_a_trial_that_goes_on_for_more_epochs_has_no_end_until_it_ends_again(
    tmp_path: Path,
) -> None:
    first = curves_of(tmp_path)
    done = a_trial(observations=(seen(1, 0.9),), checkpoint=Checkpoint("c", 1, 1))
    first.began(a_trial())
    first.observed(done, done.observations)
    first.ended(replace(done, state=Completed(), ended_at=1.0))
    second = curves_of(tmp_path)
    second.catch_up(Record("toy", "valid/mae", "minimize", "", {}, (done,), generation=2))
    second.began(done)
    second.observed(done, [seen(2, 0.8)])
    assert Page(tmp_path).status("trial-0000") == "STATUS_UNKNOWN"
    ended = replace(done, observations=(seen(1, 0.9), seen(2, 0.8)), ended_at=2.0)
    second.ended(replace(ended, state=Failed("nan", "")))
    page = Page(tmp_path)
    assert page.status("trial-0000") == "STATUS_FAILURE"
    assert page.curve("trial-0000", "valid/mae") == [(1, 0.9), (2, 0.8)]
