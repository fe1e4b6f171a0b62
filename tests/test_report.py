"""The files and numbers that a study leaves behind."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from mmsearch import study as studies
from mmsearch.report import describe_trial, state_name, summary, write_best_toml, write_trials_csv
from mmsearch.report.files import write_atomically
from mmsearch.report.trials import union
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Observation,
    Record,
    Running,
    Stopped,
    Trial,
    TrialState,
)


class Concat(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["concat"] = "concat"


class LowRank(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["low_rank"] = "low_rank"
    rank: int = Field(4, ge=1)


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(32, ge=1)
    clip: float | None = None
    fusion: Concat | LowRank = Field(Concat(), discriminator="kind")


FILE = """
method = "toy"
dataset = "toy"
seed = 3

[objective]
metric = "valid/mae"
direction = "minimize"

[budget]
trials = 10
max_epochs = 9

[published]
learning_rate = 1e-3

[space]
learning_rate = { log_uniform = [1e-5, 1e-2] }

[space.fusion]
concat = {}
low_rank = { rank = { int_uniform = [1, 8] } }
"""
NEXT = {"learning_rate": 2e-4, "batch_size": 32, "clip": None} | {
    "fusion": {"kind": "low_rank", "rank": 8}
}


def read_study(text: str = FILE) -> Study:
    return studies.loads(text, place="toy.toml", schema_of=lambda _: Config)


def a_trial(
    number: int, state: TrialState | None = None, *, values: tuple[float, ...] = (), **fields: Any
) -> Trial:
    observations = tuple(
        Observation(epoch, {"valid/mae": value, "valid/corr": epoch / 10}, train_seconds=2.0)
        for epoch, value in enumerate(values, start=1)
    )
    best = min(observations, key=lambda o: o.metrics["valid/mae"], default=None)
    given: dict[str, Any] = {
        "config": {"learning_rate": 1e-3},
        "coordinates": {"learning_rate": 1e-3, "fusion": "concat"},
        "value": best and best.metrics["valid/mae"],
        "value_epoch": best and best.epoch,
        **fields,
    }
    return Trial(
        number,
        seed=Seed(3, number),
        state=state or Completed(),
        observations=observations,
        **given,
    )


def a_record(*trials: Trial, provenance: Mapping[str, Any] | None = None, **fields: Any) -> Record:
    given = {"metric": "valid/mae", "direction": "minimize", **fields}
    return Record("toy", study_text=FILE, provenance=provenance or {}, trials=trials, **given)


def rows(record: Record, folder: Path) -> list[dict[str, str]]:
    write_trials_csv(record, folder / "trials.csv")
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def best(record: Record, folder: Path) -> dict[str, Any]:
    write_best_toml(record, read_study(), folder / "best.toml")
    return tomllib.loads((folder / "best.toml").read_text(encoding="utf-8"))


def test_the_table_has_a_row_for_every_trial(tmp_path: Path) -> None:
    states = (Completed(), Stopped(rung=3), Failed("nan", "loss is NaN"), Running())
    trials = [a_trial(number, state) for number, state in enumerate(states)]
    table = rows(a_record(*trials), tmp_path)
    assert [(row["number"], row["state"]) for row in table] == [
        ("0", "completed"),
        ("1", "stopped"),
        ("2", "failed"),
        ("3", "running"),
    ]
    assert [row["published"] for row in table] == ["True", "False", "False", "False"]


def test_a_row_says_what_a_trial_cost_and_gave(tmp_path: Path) -> None:
    (row,) = rows(a_record(a_trial(0, values=(0.5, 0.25, 0.75))), tmp_path)
    assert (row["value"], row["value_epoch"], row["epochs"]) == ("0.25", "2", "3")
    assert (row["train_seconds"], row["seed"], row["replicate"]) == ("6.0", "3", "0")


def test_metrics_of_a_row_are_those_of_the_epoch_that_gave_its_value(tmp_path: Path) -> None:
    (row,) = rows(a_record(a_trial(0, values=(0.5, 0.25, 0.75))), tmp_path)
    assert (row["valid/mae"], row["valid/corr"]) == ("0.25", "0.2")


def test_parameters_that_do_not_exist_in_a_trial_are_empty_cells(tmp_path: Path) -> None:
    low_rank = {"learning_rate": 0.1, "fusion": "low_rank", "fusion.low_rank.rank": 8}
    table = rows(a_record(a_trial(0), a_trial(1, coordinates=low_rank)), tmp_path)
    assert [row["config.fusion.low_rank.rank"] for row in table] == ["", "8"]


def test_columns_keep_the_order_of_the_space_whatever_trial_comes_first() -> None:
    orders = [["a", "f", "z"], ["a", "f", "f.x.p", "f.x.q", "z"], ["a", "f", "f.y.r", "z"]]
    assert union(orders) == ["a", "f", "f.y.r", "f.x.p", "f.x.q", "z"]
    assert union(orders[::-1]) == ["a", "f", "f.x.p", "f.x.q", "f.y.r", "z"]


def test_a_failure_with_commas_quotes_and_lines_stays_one_cell(tmp_path: Path) -> None:
    message = 'CUDA said "no",\nthen, again, "no"'
    (row,) = rows(a_record(a_trial(0, Failed("oom", message))), tmp_path)
    assert (row["failure_reason"], row["failure_message"]) == ("oom", message)


def test_a_parameter_may_be_named_like_a_column(tmp_path: Path) -> None:
    (row,) = rows(a_record(a_trial(0, coordinates={"seed": 7})), tmp_path)
    assert (row["seed"], row["config.seed"]) == ("3", "7")


def test_values_survive_the_table_exactly(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    (row,) = rows(a_record(a_trial(0, coordinates={"learning_rate": value})), tmp_path)
    assert float(row["config.learning_rate"]) == value


def test_a_study_without_trials_has_a_table_without_rows(tmp_path: Path) -> None:
    assert rows(a_record(), tmp_path) == []


def test_the_best_configuration_starts_the_next_study(tmp_path: Path) -> None:
    written = best(a_record(a_trial(0, values=(0.3,), config=NEXT)), tmp_path)
    document = {**tomllib.loads(FILE), "published": written["published"]}
    study = read_study(tomli_w.dumps(document))
    assert study.published == NEXT


def test_the_best_configuration_is_the_incumbents(tmp_path: Path) -> None:
    record = a_record(
        a_trial(0, values=(0.5,)),
        a_trial(1, Stopped(rung=3), values=(0.1,)),
        a_trial(2, values=(0.4,), config=NEXT),
    )
    written = best(record, tmp_path)
    assert written["published"]["learning_rate"] == 2e-4
    assert (written["provenance"]["trial"], written["provenance"]["value"]) == (2, 0.4)


def test_without_an_incumbent_no_best_configuration_is_written(tmp_path: Path) -> None:
    record = a_record(a_trial(0, Running(), values=(0.5,)), a_trial(1, Stopped(rung=3)))
    write_best_toml(record, read_study(), tmp_path / "best.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("published", "words"),
    [
        pytest.param(a_trial(0, values=(0.5,)), "trial 0, valid/mae 0.5 at epoch 1", id="done"),
        pytest.param(a_trial(0, Running(), values=(0.5,)), "trial 0 is running", id="running"),
        pytest.param(a_trial(0, Failed("nan", "")), "trial 0 is failed", id="failed"),
    ],
)
def test_the_best_configuration_is_remarked_upon(
    tmp_path: Path, published: Trial, words: str
) -> None:
    write_best_toml(
        a_record(published, a_trial(1, values=(0.6, 0.4))), read_study(), tmp_path / "best.toml"
    )
    text = (tmp_path / "best.toml").read_text(encoding="utf-8")
    remark = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    assert "trial 1, valid/mae 0.4 at epoch 2 (minimize)" in remark
    assert f"Published configuration: {words}" in remark
    assert "one seed's winner" in remark
    assert "under fresh seeds before printing" in remark


def test_the_best_configuration_says_where_it_comes_from(tmp_path: Path) -> None:
    facts = {"commit": "abc", "versions": {"torch": "2.13.0"}, "hardware": {"gpus": ["H200"]}}
    trials = (
        a_trial(0, values=(0.5,)),
        a_trial(1, Stopped(rung=3), values=(0.6,)),
        a_trial(2, Failed("nan", "x")),
    )
    written = best(a_record(*trials, provenance=facts), tmp_path)
    provenance = written["provenance"]
    assert provenance["study_hash"] == read_study().hash
    assert provenance["seed"] == {"study": 3, "trial": 0, "replicate": 0}
    assert written["spent"]["trials"] == {
        "running": 0,
        "paused": 0,
        "completed": 1,
        "stopped": 1,
        "failed": 1,
    }
    assert (provenance["commit"], provenance["versions"]) == ("abc", {"torch": "2.13.0"})
    assert provenance["hardware"] == {"gpus": ["H200"]}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        pytest.param("{out}/checkpoints/0/9", "checkpoints/0/9", id="below the file"),
        pytest.param("file://{out}/checkpoints/0/9", "checkpoints/0/9", id="as an address"),
        pytest.param("s3://bucket/0/9", "s3://bucket/0/9", id="elsewhere"),
    ],
)
def test_a_checkpoint_is_given_relative_to_the_file(tmp_path: Path, uri: str, shown: str) -> None:
    checkpoint = Checkpoint(uri.format(out=tmp_path), epoch=9, world_size=1)
    written = best(a_record(a_trial(0, values=(0.5,), checkpoint=checkpoint)), tmp_path)
    assert written["provenance"]["checkpoint"] == shown


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, "one")
    write_atomically(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "one")
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_atomically(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_can_be_read_by_whom_the_user_lets_read_new_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == plain.stat().st_mode


def test_trials_are_counted_by_state() -> None:
    states = (Completed(), Completed(), Stopped(rung=3), Running())
    record = a_record(*(a_trial(number, state) for number, state in enumerate(states)))
    assert summary(record).counts == {
        "running": 1,
        "paused": 0,
        "completed": 2,
        "stopped": 1,
        "failed": 0,
    }


def test_training_time_is_that_of_all_trials() -> None:
    record = a_record(a_trial(0, values=(0.5, 0.4)), a_trial(1, Stopped(rung=3), values=(0.9,)))
    assert summary(record).train_seconds == 6.0


def test_the_top_holds_the_best_five_completed_trials() -> None:
    trials = [a_trial(number, values=(1 - number / 10,)) for number in range(7)]
    stopped = a_trial(7, Stopped(rung=3), values=(0.0,))
    assert [trial.number for trial in summary(a_record(*trials, stopped)).top] == [6, 5, 4, 3, 2]


@pytest.mark.parametrize(
    ("direction", "published", "found", "absolute", "relative"),
    [
        pytest.param("minimize", 0.5, 0.4, 0.1, 0.2, id="lower is better"),
        pytest.param("maximize", 0.4, 0.5, 0.1, 0.25, id="higher is better"),
        pytest.param("minimize", -1.0, -1.5, 0.5, 0.5, id="below zero"),
        pytest.param("minimize", 0.4, 0.5, 0.0, 0.0, id="the published one leads"),
        pytest.param("maximize", 0.0, 0.5, 0.5, None, id="from zero"),
    ],
)
def test_the_lead_is_positive_where_the_incumbent_is_better(
    direction: str, published: float, found: float, absolute: float, relative: float | None
) -> None:
    record = a_record(
        a_trial(0, values=(published,)), a_trial(1, values=(found,)), direction=direction
    )
    lead = summary(record).lead
    assert lead is not None
    assert lead.absolute == pytest.approx(absolute)
    assert lead.relative == (None if relative is None else pytest.approx(relative))


@pytest.mark.parametrize("state", [Running(), Failed("nan", "x")], ids=state_name)
def test_there_is_no_lead_over_a_published_configuration_that_has_not_completed(
    state: TrialState,
) -> None:
    record = a_record(a_trial(0, state, values=(0.5,)), a_trial(1, values=(0.4,)))
    assert summary(record).lead is None


def test_a_trial_is_described_by_its_coordinates() -> None:
    coordinates = {"learning_rate": 0.000123456, "fusion": "low_rank", "fusion.low_rank.rank": 8}
    trial = replace(a_trial(0), coordinates=coordinates)
    assert (
        describe_trial(trial) == "learning_rate=0.0001235  fusion=low_rank  fusion.low_rank.rank=8"
    )
