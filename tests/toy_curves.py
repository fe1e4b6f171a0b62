"""A study, trials and TensorBoard's own reader, for the tests of the curves room."""

import json
from collections.abc import Mapping
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
    Observation,
    Scalar,
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
