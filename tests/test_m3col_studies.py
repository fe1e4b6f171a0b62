"""The studies of M3CoL that are shipped: their published rows, and what they search."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mmsearch import methods, metrics
from mmsearch import study as studies
from mmsearch.study import Study

FOLDER = Path(__file__).resolve().parent.parent / "search_spaces"
NAMES = {"m3col": "multiclass", "m3col_rosmap": "binary", "m3col_brca": "multiclass"}
"""By the family of their data's metrics."""
every_study = pytest.mark.parametrize("name", NAMES)


def load(name: str) -> Study:
    return studies.load(studies.find(name), schema_of=methods.schema_of)


def row(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())["published"]


@every_study
def test_a_study_is_right_and_its_text_gives_it_again(name: str):
    study = load(name)
    again = studies.loads(study.text, place="record", schema_of=methods.schema_of, name=study.name)
    assert again == study


@every_study
def test_a_study_asks_for_a_metric_that_its_data_has(name: str):
    objective = load(name).objective
    assert objective.metric.removeprefix("valid/") in metrics.names(NAMES[name])
    assert objective.direction == "maximize"


@every_study
def test_a_study_writes_its_whole_published_row(name: str):
    left_out = set(load(name).published) - set(row(name))
    assert {key for key in left_out if not key.endswith("_backbone")} == {"gradient_clipping"}


@pytest.mark.parametrize(
    ("name", "rate", "width", "batch", "epochs"),
    [
        ("m3col", 2e-3, 256, 128, 27),
        ("m3col_rosmap", 2e-3, 1000, 1024, 500),
        ("m3col_brca", 5e-3, 768, 1024, 500),
    ],
)
def test_the_published_row_is_the_printed_one(
    name: str, rate: float, width: int, batch: int, epochs: int
):
    found = row(name)
    printed = {
        "learning_rate": rate,
        "weight_decay": 1e-4,
        "features": width,
        "hidden": width,
        "batch_size": batch,
        "mixup_beta": 0.15,
        "mixup_share": 0.5,
        "contrast_weight": 0.1,
        "mixup_pct": 0.33,
        "mixup_temperature": 0.1,
        "soft_temperature": 0.125,
        "unimodal_weight": 1.0,
        "dropout": 0.0,
        "m3co_target": "unmixed",
        "mix_level": "embedding",
        "accumulate_fixed_points": True,
        "label_mixup": "off",
    }
    assert {key: found[key] for key in printed} == printed
    assert load(name).budget.max_epochs == epochs


@every_study
def test_trials_are_compared_on_the_way(name: str):
    study = load(name)
    expected = [3, 9] if name == "m3col" else [20, 100]
    assert list(study.scheduler.rungs(study.budget.max_epochs)) == expected


@every_study
def test_a_study_searches_weights_mixup_switch_temperatures_fusion_sizes_and_rates(name: str):
    assert set(load(name).space.parameters) >= {
        "contrast_weight",
        "unimodal_weight",
        "mixup_beta",
        "mixup_share",
        "mixup_pct",
        "mixup_temperature",
        "soft_temperature",
        "m3co_target",
        "mix_level",
        "pairs",
        "fusion",
        "features",
        "hidden",
        "dropout",
        "learning_rate",
        "weight_decay",
    }


@pytest.mark.parametrize(
    ("name", "rates", "schedule", "epochs"),
    [
        ("m3col_n24news", (2e-5, 5e-5, 5e-5, 1e-4), 1, 25),
        ("m3col_food101", (5e-5, 5e-5, 1e-4, 1e-4), 2, 50),
    ],
)
def test_the_published_row_of_images_and_text_is_the_printed_one(
    name: str, rates: tuple[float, ...], schedule: int, epochs: int
):
    study = load(name)
    found, text, vision = (
        row(name),
        study.published["text_backbone"],
        study.published["vision_backbone"],
    )
    rate = found["learning_rate"]
    assert (text["learning_rate"], vision["learning_rate"]) == rates[:2]
    assert (found["text_rate"] * rate, rate) == pytest.approx(rates[2:])
    assert (found["batch_size"], found["accumulation"], found["hidden"]) == (32, 4, 256)
    assert (found["encoder"], found["classifier_layers"], found["dropout"]) == ("none", 3, 0.0)
    assert {one["weight_decay"] for one in (found, text, vision)} == {1e-4}
    assert (text["decay_all"], vision["decay_all"], vision["horizontal_flip"]) == (
        False,
        True,
        True,
    )
    assert (text["output"], vision["output"], text["max_tokens"]) == ("first", "first", 512)
    assert found["lr_schedule"] == {
        "kind": "plateau",
        "watch": "train",
        "patience": schedule,
        "factor": 0.2,
    }
    assert study.budget.max_epochs == epochs
