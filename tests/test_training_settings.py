"""The `[deepspeed]` table: all that is wrong with it is said at once, before anything starts."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_training as toy

from mmsearch.errors import TrainingError
from mmsearch.space import Choice, Space, Uniform
from mmsearch.study import Resources
from mmsearch.training import Worker, check, settings

CONFIG = toy.Toy.Config()


def problems(table: dict[str, Any], config: toy.Toy.Config = CONFIG, **changes: Any) -> list[str]:
    try:
        check(toy.study(deepspeed=table, **changes), config, task=toy.data().task)
    except TrainingError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"zero_optimization": {"stage": 1}},
        {"zero_optimization": {"stage": 2, "overlap_comm": True}},
        {"zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 10}},
        {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}},
        {"bf16": {"enabled": True}, "zero_optimization": {"stage": 1}},
        {"torch_autocast": {"enabled": True, "dtype": "bfloat16"}},
        {"fp16": {"enabled": False}},
    ],
    ids=str,
)
def test_what_can_be_trained_passes(table: dict[str, Any]) -> None:
    assert problems(table) == []


@pytest.mark.parametrize("key", settings.SET_BY_MMSEARCH)
def test_what_mmsearch_sets_is_refused_with_the_place_to_set_it(key: str) -> None:
    (problem,) = problems({key: 1})
    assert problem.startswith(f"[deepspeed] {key}: mmsearch sets this itself, got 1.")
    assert problem.endswith(settings.SET_BY_MMSEARCH[key])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"zero_optimisation": {}}, "Did you mean 'zero_optimization'?"),
        (
            {"zero_optimization": {"stag": 1}},
            "zero_optimization.stag: DeepSpeed has no such key, got 1. Did you mean 'stage'?",
        ),
        ({"zero_optimization": {"stage": 4}}, "zero_optimization.stage: must be 0, 1, 2"),
        ({"zero_optimization": 2}, "zero_optimization: expected a table, got 2"),
        ({"bf16": {"enabled": "perhaps"}}, "bf16.enabled: must be a valid boolean"),
        (
            {"bf16": {"enabled": True}},
            "bf16: half precision needs ZeRO stage 1 or higher. Set zero_optimization",
        ),
        (
            toy.stage(1, bf16={"enabled": True}, torch_autocast={"enabled": True}),
            "torch_autocast: cannot be enabled together with bf16",
        ),
        (
            {"zero_optimization": {"stage": 1, "overlap_comm": True}},
            "overlap_comm: summed accumulation allows it from stage 2 on",
        ),
        (
            {"zero_optimization": {"offload_optimizer": {"device": "cpu"}}},
            "offload_optimizer: needs ZeRO stage 1 or higher. Set stage = 1",
        ),
        (
            {"zero_optimization": {"stage": 2, "offload_param": {"device": "cpu"}}},
            "offload_param: needs ZeRO stage 3 or higher. Set stage = 3",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_explained(table: dict[str, Any], says: str) -> None:
    (problem,) = problems(table)
    assert says in problem


@pytest.mark.parametrize(
    ("name", "values", "does"),
    [
        ("phases", ("one", "two"), "with phases = two toy trains in several phases"),
        (
            "shrink",
            ("never", "every step"),
            "with shrink = every step toy changes weights after each step",
        ),
    ],
)
def test_a_choice_that_brings_what_needs_stage_0_is_refused_too(
    name: str, values: tuple[str, ...], does: str
) -> None:
    space = Space({name: Choice(values), "share": Uniform(0.5, 1.0)})
    study = replace(toy.study(deepspeed=toy.stage(1)), space=space, published=CONFIG.model_dump())
    rule = f"{does}, which needs ZeRO stage 0. Leave it out, or take that choice out of"
    with pytest.raises(TrainingError, match=rule):
        check(study, CONFIG, task=toy.data().task)
    check(replace(study, deepspeed={}), CONFIG, task=toy.data().task)


def test_several_phases_need_stage_0() -> None:
    (problem,) = problems(toy.stage(1), toy.Toy.Config(phases="two"))
    assert "toy trains in several phases, which needs ZeRO stage 0. Leave it out" in problem
    assert problems({}, toy.Toy.Config(phases="two")) == []


def test_weights_written_after_a_step_need_stage_0() -> None:
    config = toy.Toy.Config(shrink="every step")
    (problem,) = problems(toy.stage(1), config)
    assert "toy changes weights after each step, which needs ZeRO stage 0. Leave it out" in problem
    assert problems({}, config) == []


def test_all_mistakes_are_reported_together() -> None:
    table = {"optimizer": {}, "zero": {}, "zero_optimization": {"stage": 1, "overlap_comm": True}}
    assert len(problems(table, metric="valid/none")) == 4


def test_float16_is_for_gpus() -> None:
    table = toy.stage(1, fp16={"enabled": True})
    (problem,) = problems(table, resources=Resources(gpus_per_worker=0))
    assert problem == "[deepspeed] fp16: float16 needs a GPU. Use bf16 on CPUs."
    assert problems(table, resources=Resources(gpus_per_worker=1)) == []


@pytest.mark.parametrize(
    ("table", "clipping", "passed"),
    [({}, 0.5, 0.0), ({}, 0.0, 0.0), (toy.stage(1), 0.5, 0.5), (toy.stage(1), 0.0, 0.0)],
    ids=["ours", "none", "DeepSpeed's", "none at stage 1"],
)
def test_clipping_is_always_said(table: dict[str, Any], clipping: float, passed: float) -> None:
    config = toy.Toy.Config(gradient_clipping=clipping)
    study = toy.study(deepspeed=table)
    assert settings.settings(study, config, Worker())["gradient_clipping"] == passed


def test_a_batch_is_split_over_workers() -> None:
    config = toy.Toy.Config(batch_size=9)
    table = settings.settings(toy.study(), config, Worker(world_size=2))
    assert table["train_micro_batch_size_per_gpu"] == 5


def test_a_study_without_a_table_is_checked_without_deepspeed() -> None:
    code = (
        "import sys, mmsearch.training, toy_training as toy;"
        "mmsearch.training.check(toy.study(), toy.Toy.Config(), task=toy.data().task);"
        "sys.exit('deepspeed' in sys.modules)"
    )
    folder = Path(__file__).parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
