"""Which backbones a study may ask for: one for each thing that is to be computed beforehand."""

import json
from typing import Any

import pytest
import toy_backbones as toy

from mmsearch import methods
from mmsearch.backbones.choices import Chosen, of_config, of_study
from mmsearch.backbones.settings import FineTunedText, FrozenSounds, FrozenText
from mmsearch.errors import StudyError
from mmsearch.space import Space, parse

SCHEMA = methods.schema_of("baseline")


def space(table: dict[str, Any]) -> Space:
    found, problems = parse(table, SCHEMA, place="a.toml [space]")
    assert not problems, problems
    return found


def chosen(table: dict[str, Any], **published: Any) -> list[Chosen]:
    """What a study with this `[space]` needs."""
    asked = toy.study(published, space=space(table).parameters)
    return of_study(asked, SCHEMA)


def shown(found: list[Chosen]) -> list[tuple[str, str, str]]:
    """Kind, network and what is taken of it, which means nothing of those that learn along."""
    return sorted(
        (type(one.settings).__name__, one.settings.model, "" if one.learns else one.settings.output)
        for one in found
    )


def test_a_study_without_backbones_needs_none() -> None:
    assert chosen({"learning_rate": {"log_uniform": [1e-4, 1e-2]}}) == []


def test_the_published_backbone_is_needed_where_none_is_searched() -> None:
    found = chosen({}, text_backbone={"kind": "frozen", "model": "one"})
    assert shown(found) == [("FrozenText", "one", "first")]


def test_every_network_and_output_of_the_space_is_needed_once() -> None:
    table = {
        "text_backbone": {
            "given": {},
            "frozen": {
                "model": {"choice": ["one", "two"]},
                "output": {"choice": ["first", "mean"]},
            },
            "fine_tuned": {
                "model": {"choice": ["one", "three"]},
                "output": {"choice": ["first", "steps"]},
                "learning_rate": {"log_uniform": [1e-6, 1e-4]},
                "weight_decay": {"zero_or_log_uniform": [1e-4, 1e-1]},
                "decay_all": {"choice": [True, False]},
            },
        }
    }
    assert shown(chosen(table)) == [
        ("FineTunedText", "one", ""),
        ("FineTunedText", "three", ""),
        ("FrozenText", "one", "first"),
        ("FrozenText", "one", "mean"),
        ("FrozenText", "two", "first"),
        ("FrozenText", "two", "mean"),
    ]
    # The published one is of the same kinds, or one more.
    published = {"kind": "frozen", "model": "two", "output": "mean"}
    assert len(chosen(table, text_backbone=published)) == 6
    published["output"] = "steps"
    assert len(chosen(table, text_backbone=published)) == 7


def test_learning_rates_to_choose_from_do_not_multiply_what_is_computed() -> None:
    rates = {"choice": [1e-6, 1e-5, 1e-4]}
    table = {"text_backbone": {"fine_tuned": {"learning_rate": rates, "weight_decay": rates}}}
    assert len(chosen(table, text_backbone={"kind": "fine_tuned"})) == 1


def test_lengths_to_choose_from_are_computed_each() -> None:
    table = {"text_backbone": {"fine_tuned": {"max_tokens": {"choice": [32, 64]}}}}
    found = chosen(table, text_backbone={"kind": "fine_tuned", "max_tokens": 64})
    assert sorted(one.settings.max_tokens for one in found) == [32, 64]


def test_modalities_are_searched_side_by_side() -> None:
    table = {
        "text_backbone": {"given": {}, "frozen": {"output": {"choice": ["first", "mean"]}}},
        "audio_backbone": {"given": {}, "frozen": {"max_seconds": {"choice": [1.0, 2.0]}}},
    }
    found = chosen(table)
    assert len(found) == 4
    assert [one.modality for one in found] == ["text", "text", "audio", "audio"]


@pytest.mark.parametrize(
    ("modality", "arm", "key", "table"),
    [
        ("text", "frozen", "max_tokens", {"int_uniform": [16, 128]}),
        ("text", "fine_tuned", "max_tokens", {"int_log_uniform": [16, 128]}),
        ("audio", "fine_tuned", "max_seconds", {"uniform": [1.0, 9.0]}),
    ],
)
def test_a_range_that_changes_what_is_computed_is_refused(
    modality: str, arm: str, key: str, table: dict[str, Any]
) -> None:
    with pytest.raises(StudyError, match="a range cannot be computed") as caught:
        chosen({f"{modality}_backbone": {arm: {key: table}}})
    assert str(caught.value) == (
        f"[space] {modality}_backbone.{arm}.{key}: a range cannot be computed before a search, "
        f"got {json.dumps(table)}. Give the values as a choice."
    )


def test_all_such_ranges_are_told_together() -> None:
    table = {
        "text_backbone": {
            arm: {"max_tokens": {"int_uniform": [16, 128]}} for arm in ("frozen", "fine_tuned")
        },
        "audio_backbone": {"frozen": {"max_seconds": {"uniform": [1.0, 9.0]}}},
    }
    with pytest.raises(StudyError, match="a range cannot be computed") as caught:
        chosen(table)
    assert [problem.place for problem in caught.value.problems] == [
        "[space] text_backbone.frozen.max_tokens",
        "[space] text_backbone.fine_tuned.max_tokens",
        "[space] audio_backbone.frozen.max_seconds",
    ]


def test_a_configuration_has_a_backbone_for_each_modality_that_is_read() -> None:
    config = methods.complete(
        "baseline", {"text_backbone": {"kind": "fine_tuned"}, "audio_backbone": {"kind": "frozen"}}
    )
    text, audio = of_config(config)
    assert (text.modality, text.settings, text.learns) == ("text", FineTunedText(), True)
    assert (audio.modality, audio.settings, audio.learns) == ("audio", FrozenSounds(), False)


def test_settings_keep_their_names_when_written_and_read() -> None:
    settings = FrozenText(model="m", output="rest", max_tokens=9)
    config = methods.complete("baseline", {"text_backbone": settings.model_dump()})
    assert config.text_backbone == settings
    assert methods.complete("baseline", config.model_dump()) == config
