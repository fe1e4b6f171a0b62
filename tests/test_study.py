"""The study reader: files become studies, or every mistake in them is told at once."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_schema import STUDY, schema_of

from mmsearch import study as studies
from mmsearch.errors import StudyError
from mmsearch.space import Branch, IntUniform, LogUniform, Space
from mmsearch.study import Budget, Objective, Resources, Sampler, Scheduler, Study


def read(text: str = STUDY, **overrides: Any) -> Study:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return studies.loads(text, place="a.toml", schema_of=schema_of, overrides=dotted)


# What a right file becomes.


def test_a_file_becomes_a_study_with_every_default() -> None:
    study = read()
    assert (study.name, study.method, study.dataset, study.seed) == ("a", "toy", "toys", 0)
    assert study.objective == Objective("valid/mae", "minimize", "best")
    assert study.budget == Budget(trials=20, max_epochs=27)
    assert study.scheduler == Scheduler("promotion", 3, 3)
    assert study.sampler == Sampler("ladder")
    assert study.resources == Resources()
    assert study.data is None
    assert study.deepspeed == {}


def test_the_space_is_in_file_order() -> None:
    assert read().space == Space(
        {
            "rate": LogUniform(1e-6, 1e-3),
            "fusion": Branch(
                {"concat": Space({}), "low_rank": Space({"rank": IntUniform(2, 16)})},
                {"concat": {}, "low_rank": {"features": 64}},
            ),
        }
    )


def test_the_published_configuration_is_complete() -> None:
    published = read(published__fusion={"kind": "low_rank", "rank": 4}).published
    assert published["rate"] == 5e-5
    assert published["width"] == 32
    assert published["fusion"] == {"kind": "low_rank", "rank": 4, "features": 64}


def test_a_missing_published_table_means_the_methods_defaults() -> None:
    study = read(STUDY.replace("[published]\nrate = 5e-5", ""))
    assert study.published["rate"] == 1e-3


def test_the_data_folder_may_begin_with_the_home_folder() -> None:
    assert read(data="~/mosi").data == Path.home() / "mosi"


def test_deepspeeds_table_is_passed_as_it_is() -> None:
    table = {"zero_optimization": {"stage": 1}, "log_level": "warning"}
    assert read(deepspeed=table).deepspeed == table


# The canonical text.


def test_the_text_has_every_default_written_out() -> None:
    written = tomllib.loads(read().text)
    assert written["seed"] == 0
    assert written["scheduler"] == {"kind": "promotion", "first_rung": 3, "reduction": 3}
    assert written["published"]["estimator"] == "cpc"
    assert written["resources"] == {"workers": 1, "placement": "pack"}


overridings = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 9),
        "data": st.text(),
        "objective.epoch": st.sampled_from(["best", "last"]),
        "budget.gpu_hours": st.floats(0.1, 9),
        "budget.max_epochs": st.integers(1, 3) | st.integers(4, 99),
        "resources.gpus_per_worker": st.floats(0, 1) | st.just(2.0),
        "resources.placement": st.sampled_from(["pack", "spread"]),
        "published.limit": st.floats(-1, 1),
        "published.rate": st.floats(1e-6, 1e-3),
        "space.flag": st.just({"choice": [True, False]}),
        "space.weight": st.just({"zero_or_log_uniform": [1e-3, 1]}),
        "deepspeed": st.just({"a": {"b": [1, 2.5, {"c": "d"}]}, "e": 1}),
    },
)


@given(overridings)
def test_the_text_of_a_study_gives_the_same_study(overrides: dict[str, Any]) -> None:
    study = studies.loads(STUDY, place="a.toml", schema_of=schema_of, overrides=overrides)
    again = studies.loads(study.text, place="record", schema_of=schema_of, name="a")
    assert again.text == study.text
    assert again == study


def test_integers_and_floats_of_a_file_are_one_text() -> None:
    assert (
        read(space__weight={"uniform": [0, 1]}).hash
        == read(space__weight={"uniform": [0.0, 1.0]}).hash
    )


# The scheduler's rungs.


def test_without_room_for_a_rung_the_default_is_no_scheduler() -> None:
    study = read(budget__max_epochs=3)
    assert study.scheduler == Scheduler("none")
    assert tomllib.loads(study.text)["scheduler"] == {"kind": "none"}


# Overrides.


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param("budget.trials=5", "budget.trials", 5, id="integer"),
        pytest.param("published.rate=1e-4", "published.rate", 1e-4, id="float without a dot"),
        pytest.param("published.estimator = none", "published.estimator", "none", id="text"),
        pytest.param('published.estimator="none"', "published.estimator", "none", id="quoted"),
        pytest.param("published.flag=false", "published.flag", False, id="boolean"),
        pytest.param("data=/a=b", "data", "/a=b", id="an equals sign in the value"),
        pytest.param(
            "space.rate={ uniform = [0, 1] }", "space.rate", {"uniform": [0, 1]}, id="table"
        ),
        pytest.param("data=1\nseed = 2", "data", "1\nseed = 2", id="no second key gets in"),
        pytest.param("data=", "data", "", id="nothing"),
    ],
)
def test_an_override_is_a_dotted_key_and_a_toml_value(text: str, key: str, value: object) -> None:
    found = studies.parse_override(text)
    assert found == (key, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize("text", ["budget.trials", "=5", "a..b=1", "a b=1"])
def test_an_override_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match=r"an override is key=value .* Write for example budget"):
        studies.parse_override(text)


def test_overrides_replace_values_before_the_file_is_checked() -> None:
    study = read(
        STUDY.replace("trials     = 20", "trials = 0"),
        budget__trials=5,
        published__fusion={"kind": "low_rank"},
        space__fusion__low_rank__rank={"int_uniform": [8, 32]},
        scheduler__first_rung=1,
    )
    assert study.budget.trials == 5
    assert study.scheduler.first_rung == 1
    assert study.space.parameters["fusion"] == Branch(
        {"concat": Space({}), "low_rank": Space({"rank": IntUniform(8, 32)})},
        {"concat": {}, "low_rank": {"features": 64}},
    )


@pytest.mark.parametrize(
    ("published", "features"),
    [({"kind": "low_rank", "features": 16}, 16), ({"kind": "concat"}, 64)],
    ids=["as published in the published arm", "at its default in another"],
)
def test_what_an_arm_does_not_search_is_in_every_configuration(
    published: dict[str, object], features: int
) -> None:
    study = read(published__fusion=published)
    answers = {"rate": 1e-4, "fusion": "low_rank", "fusion.low_rank.rank": 4}
    config = study.configuration(study.space.assign(lambda name, _: answers[name]))
    assert config["fusion"] == {"kind": "low_rank", "features": features, "rank": 4}


def test_variants_change_one_choice_of_the_published_configuration_at_a_time() -> None:
    study = read()
    (change, config), *others = study.variants()
    assert change == "fusion = low_rank"
    assert config == {
        **study.published,
        "fusion": {"kind": "low_rank", "features": 64, "rank": 2},
    }
    assert others == []


# Files and names.


def test_a_study_is_called_as_its_file_unless_it_is_given_a_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    assert studies.load(path, schema_of=schema_of).name == "mine"
    assert studies.load(path, schema_of=schema_of, name="other").name == "other"


def test_messages_name_a_file_as_it_is_seen_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY.replace("= 20", "= 0"))
    with pytest.raises(StudyError, match=r"^mine\.toml \[budget\] trials: must be"):
        studies.load(tmp_path / "mine.toml", schema_of=schema_of)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot be read: No such file or directory\. Give a"):
        studies.load(tmp_path / "absent.toml", schema_of=schema_of)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match=r"cannot be read: not text in UTF-8\. Give a study"):
        studies.load(tmp_path / "binary.toml", schema_of=schema_of)


def test_a_path_is_found_as_it_is_and_a_name_among_the_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "selfmi").mkdir()
    (tmp_path / "mine.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert studies.find("mine.toml") == Path("mine.toml")
    assert studies.find("selfmi").name == "selfmi.toml"


def test_an_unknown_name_gets_the_closest_one() -> None:
    with pytest.raises(
        StudyError, match=r"^selfmii: no file and no study of this name.*Did you mean 'selfmi'\?$"
    ):
        studies.find("selfmii")


# What differs from the record.


def test_the_same_study_does_not_differ_from_itself() -> None:
    assert studies.difference(read(), read()) == []


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        pytest.param(
            {"budget.max_epochs": 9}, "budget.max_epochs: 27 on record, 9 asked for", id="a value"
        ),
        pytest.param(
            {"published.estimator": "none"},
            'published.estimator: "cpc" on record, "none" asked for',
            id="text",
        ),
        pytest.param(
            {"published.limit": 0.5},
            "published.limit: nothing on record, 0.5 asked for",
            id="something new",
        ),
        pytest.param(
            {"space.rate": {"log_uniform": [1e-5, 1e-3]}},
            "space.rate.log_uniform: [1e-06, 0.001] on record, [1e-05, 0.001] asked for",
            id="a range",
        ),
        pytest.param(
            {"space.fusion.stack": {}},
            "space.fusion.stack: nothing on record, {} asked for",
            id="an arm",
        ),
    ],
)
def test_a_difference_shows_both_sides(overrides: dict[str, Any], line: str) -> None:
    asked = studies.loads(STUDY, place="a.toml", schema_of=schema_of, overrides=overrides)
    assert studies.difference(read(), asked) == [line]


def test_what_may_change_between_sittings_is_no_difference() -> None:
    asked = read(
        resources__concurrent=8, budget__gpu_hours=1.0, budget__wall_hours=0.5, data="elsewhere"
    )
    assert studies.difference(read(), asked) == []


def test_importing_the_study_loads_neither_torch_nor_an_engine() -> None:
    code = (
        "import sys, mmsearch.study; "
        "print({'torch', 'ray', 'optuna', 'deepspeed', 'tensorboard'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
