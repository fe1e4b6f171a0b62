"""The studies that are shipped, and the blocks of their manual, as the real methods read them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.study import Study

FOLDER = Path(__file__).resolve().parent.parent / "search_spaces"
BLOCKS = [
    tomllib.loads(block)
    for block in re.findall(r"^```toml\n(.*?)^```", (FOLDER / "README.md").read_text(), re.S | re.M)
]
SELFMI = ["selfmi", "selfmi_mosei", "selfmi_mosi", "selfmi_sims"]


def load(name: str) -> Study:
    return studies.load(studies.find(name), schema_of=methods.schema_of)


def written(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def test_the_shipped_studies_are_known_by_name() -> None:
    assert studies.known() == sorted(path.stem for path in FOLDER.glob("*.toml"))
    assert set(SELFMI) <= set(studies.known())


@pytest.mark.parametrize("name", studies.known())
def test_a_shipped_study_is_right_and_its_text_gives_it_again(name: str) -> None:
    study = load(name)
    again = studies.loads(study.text, place="record", schema_of=methods.schema_of, name=study.name)
    assert again == study


@pytest.mark.parametrize("name", SELFMI)
def test_a_shipped_study_writes_its_whole_published_row(name: str) -> None:
    left_out = set(load(name).published) - set(written(name)["published"])
    unprinted = {"gradient_clipping", "lr_schedule", "reload_best"}
    of_no_effect = {key for key in left_out if key.startswith("mmilb_") or "_backbone" in key}
    assert left_out == unprinted | of_no_effect


@pytest.mark.parametrize("name", studies.known())
def test_a_shipped_study_has_halving_with_room_for_rungs(name: str) -> None:
    study = load(name)
    assert study.scheduler.rungs(study.budget.max_epochs)


# MMSA's column of METHODS: batch, rates and decays of audio, vision and the rest, widths, dropouts.
ROWS = {
    "selfmi_mosi": (
        16,
        (5e-3, 5e-3, 1e-3),
        (1e-3, 1e-3, 1e-3),
        (16, 32),
        (32, 16, 32),
        (0.0, 0.1, 0.1, 0.0),
    ),
    "selfmi_mosei": (
        32,
        (5e-3, 1e-4, 1e-3),
        (0.0, 0.0, 1e-2),
        (16, 32),
        (32, 16, 32),
        (0.1, 0.0, 0.0, 0.0),
    ),
    "selfmi_sims": (
        32,
        (5e-3, 5e-3, 1e-3),
        (1e-2, 1e-2, 1e-3),
        (16, 64),
        (64, 16, 32),
        (0.0, 0.1, 0.1, 0.0),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_published_row_is_the_printed_one(name: str) -> None:
    row = written(name)["published"]

    def values(prefix: str, *keys: str) -> tuple[float, ...]:
        return tuple(row[f"{prefix}_{key}"] for key in keys)

    assert ROWS[name] == (
        row["batch_size"],
        values("learning_rate", "audio", "vision", "other"),
        values("weight_decay", "audio", "vision", "other"),
        (row["audio_hidden"], row["vision_hidden"]),
        values("post", "text", "audio", "vision"),
        values("dropout", "fusion", "text", "audio", "vision"),
    )
    assert (row["post_fusion"], row["audio_features"], row["vision_features"]) == (128, 16, 32)
    assert (row["accumulation"], row["patience"], row["unimodal_weight"]) == (4, 8, 1.0)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_bert_learns_along_as_in_self_mms_row(name: str) -> None:
    found = load(name).published["text_backbone"]
    chinese = name == "selfmi_sims"
    assert found["model"] == ("bert-base-chinese" if chinese else "bert-base-uncased")
    assert (found["kind"], found["output"]) == ("fine_tuned", "first")
    assert (found["learning_rate"], found["weight_decay"], found["decay_all"]) == (
        5e-5,
        1e-3,
        False,
    )
    assert "text_backbone" in load(name).space.parameters


@pytest.mark.parametrize("name", SELFMI)
def test_a_shipped_study_searches_what_the_method_is_about(name: str) -> None:
    searched = set(load(name).space.parameters)
    assert searched >= {
        "learning_rate_audio",
        "learning_rate_vision",
        "learning_rate_other",
        "unimodal_weight",
        "cpc_weight",
        "cpc_temperature",
        "pair_mi",
        "pair_weight",
        "fusion",
    }


@pytest.mark.parametrize("name", SELFMI)
def test_a_shipped_study_says_whose_values_are_published(name: str) -> None:
    comment = " ".join(
        line.removeprefix("#").strip()
        for line in (FOLDER / f"{name}.toml").read_text().splitlines()
        if line.startswith("#")
    )
    assert "Self-MI's own hyper-parameters are not public" in comment
    assert "Self-MM's" in comment
    assert "MMIM's" in comment


def test_the_manual_begins_with_a_whole_study() -> None:
    assert len(BLOCKS) >= 6
    assert "method" in BLOCKS[0]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_of_the_manual_can_be_put_into_its_study(number: int) -> None:
    text = tomli_w.dumps({**BLOCKS[0], **BLOCKS[number]})
    study = studies.loads(text, place=f"block {number}", schema_of=methods.schema_of)
    for table in BLOCKS[number]:
        assert table in tomllib.loads(study.text)
