"""The studies of MIM that are shipped: their published rows, and what they search."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.study import Study

FOLDER = Path(__file__).resolve().parent.parent / "search_spaces"
NAMES = ["mim", "mim_mosei", "mim_mosi"]
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
    assert study.scheduler.rungs(study.budget.max_epochs)


@every_study
def test_a_study_writes_its_whole_published_row(name: str):
    left_out = set(load(name).published) - set(row(name))
    unprinted = {"gradient_clipping", "lr_schedule", "reload_best"}
    assert {key for key in left_out if not key.endswith("_backbone")} == unprinted


@every_study
def test_the_published_row_is_the_printed_one(name: str):
    found = row(name)
    printed = {
        "batch_size": 16,
        "features": 80,
        "layers": 3,
        "heads": 5,
        "dropout_attention": 0.5,
        "dropout_relu": 0.3,
        "dropout_residual": 0.3,
        "dropout_embedding": 0.2,
        "gate_bias": 3.0,
        "gate_temperature": 1 / 3,
        "gate_gamma": -0.2,
        "gate_threshold": 0.6,
        "gate_points": 50,
        "penalty_weight": 0.1,
        "kd_temperature": 10.0,
        "weight_decay": 0.0,
        "update": "two_steps",
        **{f"{term}_weight": 1.0 for term in ("unmask", "mask", "intra", "inter")},
    }
    assert {key: found[key] for key in printed} == printed
    rates = {found["learning_rate"], found["learning_rate_upn"]}
    assert rates == ({1e-3} if name == "mim" else {1e-5})


@pytest.mark.parametrize("name", ["mim_mosei", "mim_mosi"])
def test_a_bert_learns_along_as_in_mims_code(name: str):
    found = load(name).published["text_backbone"]
    assert (found["kind"], found["model"]) == ("fine_tuned", "bert-base-uncased")
    assert (found["output"], found["max_tokens"]) == ("rest", 50)
    assert (found["learning_rate"], found["weight_decay"]) == (1e-5, 0.0)
    assert load(name).dataset == name.replace("mim", "mag")


@every_study
def test_a_study_searches_gates_penalty_guidance_temperature_fusion_and_sizes(name: str):
    assert set(load(name).space.parameters) >= {
        "gate_bias",
        "penalty_weight",
        "mask_weight",
        "intra_weight",
        "inter_weight",
        "kd_temperature",
        "kgs_granularity",
        "fusion",
        "features",
        "layers",
    }


@every_study
def test_whatever_is_searched_can_be_built_with(name: str):
    space = load(name).space
    choices = {
        key: row_.values for key, row_ in space.parameters.items() if hasattr(row_, "values")
    }
    for features in choices["features"]:
        for heads in choices.get("heads", (5,)):
            assert features % heads == 0
