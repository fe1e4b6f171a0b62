"""What TensorBoard itself reads from the curves of a study."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from mmsearch.curves import Curves
from mmsearch.seeds import Seed
from mmsearch.space import (
    Branch,
    Choice,
    IntLogUniform,
    LogUniform,
    Space,
    Uniform,
    ZeroOrLogUniform,
)
from mmsearch.study import Budget, Objective, Study
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Observation,
    Record,
    Scalar,
    Stopped,
    Trial,
)

SPACE = Space(
    {
        "learning_rate": LogUniform(1e-6, 1e-3),
        "dropout": Uniform(0, 0.5),
        "alpha": ZeroOrLogUniform(1e-3, 1.0),
        "batch_size": Choice((16, 32, 64)),
        "norm": Choice((True, False)),
        "scale": Choice((1, 0.5)),
        "fusion": Branch(
            {
                "concat": Space({}),
                "low_rank": Space({"rank": IntLogUniform(4, 64)}),
                "gated": Space({"bias": Choice(("none", "full"))}),
            }
        ),
    }
)
COMMON: dict[str, Scalar] = {
    "learning_rate": 5e-5,
    "dropout": 0.1,
    "alpha": 0.0,
    "batch_size": 32,
    "norm": True,
    "scale": 1,
}
METRICS = ("valid/mae", "valid/corr")


def a_study(**objective: Any) -> Study:
    return Study(
        name="toy",
        method="toy",
        dataset="toy",
        seed=0,
        objective=Objective(**{"metric": "valid/mae", "direction": "minimize", **objective}),
        budget=Budget(trials=10, max_epochs=9),
        space=SPACE,
        published={},
        text="",
    )


def a_trial(number: int = 0, *, arm: Mapping[str, Scalar] | None = None, **fields: Any) -> Trial:
    coordinates = {**COMMON, **(arm or {"fusion": "concat"})}
    return Trial(number, config={}, coordinates=coordinates, seed=Seed(0, number), **fields)


def seen(epoch: int, mae: float, *, corr: float = 0.5, loss: float = 1.0) -> Observation:
    metrics = {"valid/mae": mae, "valid/corr": corr, "train/loss": loss, "train/lr/text": 1e-4}
    return Observation(epoch, metrics, train_seconds=1.0)


def curves_of(folder: Path, **objective: Any) -> Curves:
    return Curves(folder, a_study(**objective), metrics=METRICS)


def points(folder: Path, tag: str, trial: int = 0) -> list[tuple[int, float]]:
    """A curve as TensorBoard's reader of one run gives it."""
    reader = EventAccumulator(str(folder / f"trial-{trial:04d}"))
    reader.Reload()
    events = reader.Scalars(tag) if tag in reader.Tags()["scalars"] else []
    return [(event.step, pytest.approx(event.value)) for event in events]


class Page:
    """The HParams tab as TensorBoard's backend gives it to the page."""

    def __init__(self, folder: Path) -> None:
        multiplexer = EventMultiplexer()
        multiplexer.AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        self.provider = MultiplexerDataProvider(multiplexer, str(folder))
        self.context = Context(TBContext(data_provider=self.provider))

    def experiment(self) -> api_pb2.Experiment:
        ctx = RequestContext()
        content = self.context.hparams_metadata(ctx, "")
        return self.context.experiment_from_metadata(ctx, "", True, content, [])

    def rows(self, *columns: api_pb2.ColParams) -> dict[str, dict[str, Any]]:
        """Rows by run name, in the order asked for, as the page's JSON has them."""
        statuses = [value for _, value in api_pb2.Status.items()]
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0, slice_size=1000, allowed_statuses=statuses, col_params=columns
        )
        handler = list_session_groups.Handler(RequestContext(), self.context, "", request)
        answer = json.loads(json_format.MessageToJson(handler.run()))
        return {row["name"]: row for row in answer.get("sessionGroups", [])}

    def values(self, run: str) -> dict[str, float]:
        """Metrics of a row, by tag."""
        return {m["name"]["tag"]: m["value"] for m in self.rows()[run]["metricValues"]}

    def curve(self, run: str, tag: str) -> list[tuple[int, float]]:
        """A curve as the page draws it."""
        answer = self.provider.read_scalars(
            RequestContext(),
            experiment_id="",
            plugin_name="scalars",
            downsample=1000,
            run_tag_filter=RunTagFilter(runs=[run], tags=[tag]),
        )
        return [(datum.step, pytest.approx(datum.value)) for datum in answer[run][tag]]

    def status(self, run: str) -> str:
        return self.rows()[run]["sessions"][0].get("status", "STATUS_UNKNOWN")


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
