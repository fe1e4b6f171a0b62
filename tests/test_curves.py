"""What TensorBoard itself reads from the curves of a study."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.plugins.hparams import api_pb2
from toy_curves import COMMON, METRICS, SPACE, Page, a_study, a_trial, curves_of, points, seen

from mmsearch.curves import Curves
from mmsearch.space import (
    Choice,
    Space,
    Uniform,
)
from mmsearch.trial import (
    Completed,
    Failed,
    Stopped,
)


def test_every_metric_is_a_curve_against_epochs(tmp_path: Path) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.9, loss=2.0), seen(2, 0.8, loss=1.5)])
    curves.observed(trial, [seen(3, 0.7, loss=1.0)])
    assert points(tmp_path, "valid/mae") == [(1, 0.9), (2, 0.8), (3, 0.7)]
    assert points(tmp_path, "train/loss") == [(1, 2.0), (2, 1.5), (3, 1.0)]
    assert points(tmp_path, "train/lr/text") == [(1, 1e-4), (2, 1e-4), (3, 1e-4)]


def test_curves_can_be_read_while_the_trial_runs(tmp_path: Path) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.9)])
    assert points(tmp_path, "valid/mae") == [(1, 0.9)]


@pytest.mark.parametrize(
    ("direction", "epoch", "values"),
    [
        pytest.param("minimize", "best", [0.9, 0.7, 0.7], id="lowest so far"),
        pytest.param("maximize", "best", [0.9, 0.9, 0.9], id="highest so far"),
        pytest.param("minimize", "last", [0.9, 0.7, 0.8], id="last"),
    ],
)
def test_the_objective_is_a_trials_value_so_far(
    tmp_path: Path, direction: str, epoch: str, values: list[float]
) -> None:
    curves, trial = curves_of(tmp_path, direction=direction, epoch=epoch), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.9), seen(2, 0.7), seen(3, 0.8)])
    assert points(tmp_path, "objective") == list(zip((1, 2, 3), values, strict=True))


def test_the_tab_shows_a_trial_from_its_beginning(tmp_path: Path) -> None:
    curves_of(tmp_path).began(a_trial())
    page = Page(tmp_path)
    assert page.rows()["trial-0000"]["hparams"]["batch_size"] == 32
    assert page.status("trial-0000") == "STATUS_UNKNOWN"


def test_the_tab_shows_the_value_and_the_epochs_of_a_running_trial(tmp_path: Path) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.7, corr=0.4), seen(2, 0.9, corr=0.3)])
    assert Page(tmp_path).values("trial-0000") == {
        "objective": pytest.approx(0.7),
        "objective/epochs": 2,
        "valid/corr": pytest.approx(0.3),
    }


def test_a_row_has_only_the_parameters_that_exist_in_its_trial(tmp_path: Path) -> None:
    curves = curves_of(tmp_path)
    curves.began(a_trial(0, arm={"fusion": "concat"}))
    curves.began(a_trial(1, arm={"fusion": "low_rank", "fusion.low_rank.rank": 8}))
    curves.began(a_trial(2, arm={"fusion": "gated", "fusion.gated.bias": "full"}))
    rows = Page(tmp_path).rows()
    assert rows["trial-0000"]["hparams"] == {**COMMON, "fusion": "concat"}
    assert rows["trial-0001"]["hparams"]["fusion.low_rank.rank"] == 8
    assert rows["trial-0002"]["hparams"]["fusion.gated.bias"] == "full"
    assert "fusion.low_rank.rank" not in rows["trial-0002"]["hparams"]


def test_a_weight_that_is_off_is_the_number_zero(tmp_path: Path) -> None:
    curves_of(tmp_path).began(a_trial())
    assert Page(tmp_path).rows()["trial-0000"]["hparams"]["alpha"] == 0.0


def test_a_choice_of_mixed_types_is_a_column_of_text(tmp_path: Path) -> None:
    study = replace(a_study(), space=Space({"warmup": Choice(("none", 0.1))}))
    curves = Curves(tmp_path, study, metrics=METRICS)
    for number, value in enumerate(("none", 0.1)):
        curves.began(replace(a_trial(number), coordinates={"warmup": value}))
    rows = Page(tmp_path).rows()
    assert [row["hparams"]["warmup"] for row in rows.values()] == ["none", "0.1"]


def test_the_tab_knows_every_parameter_and_its_domain(tmp_path: Path) -> None:
    curves_of(tmp_path).began(a_trial())
    infos = {info.name: info for info in Page(tmp_path).experiment().hparam_infos}
    assert set(infos) == {*COMMON, "fusion", "fusion.low_rank.rank", "fusion.gated.bias"}
    assert infos["learning_rate"].domain_interval.max_value == 1e-3
    assert infos["alpha"].domain_interval.min_value == 0.0
    assert [v.number_value for v in infos["batch_size"].domain_discrete.values] == [16, 32, 64]
    assert [v.number_value for v in infos["scale"].domain_discrete.values] == [0.5, 1]
    fusions = [v.string_value for v in infos["fusion"].domain_discrete.values]
    assert fusions == ["concat", "gated", "low_rank"]


def test_the_first_parameters_of_the_study_that_always_exist_are_shown_at_once(
    tmp_path: Path,
) -> None:
    parameters = {"fusion": SPACE.parameters["fusion"]} | {
        name: Uniform(0.0, 1.0) for name in ("z", "y", "x", "w", "a", "b")
    }
    study = replace(a_study(), space=Space(parameters))
    trial = replace(a_trial(), coordinates={"fusion": "concat"})
    Curves(tmp_path, study, metrics=METRICS).began(trial)
    infos = Page(tmp_path).experiment().hparam_infos
    assert [info.name for info in infos][:5] == ["fusion", "w", "x", "y", "z"]


def test_the_objective_is_the_first_metric_under_its_own_name(tmp_path: Path) -> None:
    curves_of(tmp_path).began(a_trial())
    infos = Page(tmp_path).experiment().metric_infos
    assert [(info.name.tag, info.display_name) for info in infos] == [
        ("objective", "best valid/mae"),
        ("objective/epochs", "epochs"),
        ("valid/corr", "last valid/corr"),
    ]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param(Completed(), "STATUS_SUCCESS", id="completed"),
        pytest.param(Stopped(rung=3), "STATUS_SUCCESS", id="stopped"),
        pytest.param(Failed("nan", "loss is NaN"), "STATUS_FAILURE", id="failed"),
    ],
)
def test_the_tab_shows_how_a_trial_ended(tmp_path: Path, state: Any, status: str) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.9)])
    curves.ended(replace(trial, state=state))
    assert Page(tmp_path).status("trial-0000") == status


def test_a_trial_that_failed_before_its_first_epoch_has_a_row(tmp_path: Path) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.ended(replace(trial, state=Failed("oom", "out of memory")))
    assert Page(tmp_path).rows()["trial-0000"]["hparams"]["fusion"] == "concat"


def test_a_metric_that_is_undefined_leaves_the_tab_readable(tmp_path: Path) -> None:
    curves, trial = curves_of(tmp_path), a_trial()
    curves.began(trial)
    curves.observed(trial, [seen(1, 0.9, corr=float("nan"))])
    assert Page(tmp_path).values("trial-0000")["objective"] == pytest.approx(0.9)


@pytest.mark.parametrize("order", [api_pb2.ORDER_ASC, api_pb2.ORDER_DESC], ids=["up", "down"])
def test_rows_can_be_sorted_by_the_objective(tmp_path: Path, order: int) -> None:
    curves = curves_of(tmp_path)
    for number, mae in enumerate((0.5, 0.3, 0.4)):
        curves.began(a_trial(number))
        curves.observed(a_trial(number), [seen(1, mae), seen(2, 0.9)])
    column = api_pb2.ColParams(metric=api_pb2.MetricName(tag="objective"), order=order)
    ascending = ["trial-0001", "trial-0002", "trial-0000"]
    expected = ascending if order == api_pb2.ORDER_ASC else ascending[::-1]
    assert list(Page(tmp_path).rows(column)) == expected
