"""The mistakes of `[space]` tables: each is told with place, rule, value and way out."""

from typing import Any

import pytest
from toy_schema import Config

from mmsearch.space import IntUniform, Space, parse


def mistakes(table: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in parse(table, Config, place="a.toml [space]")[1]]


WRONG = [
    pytest.param(
        {"rate": {"log_uniform": [0.0, 1e-3]}},
        "rate: log_uniform needs low > 0, got low=0.0. Use uniform for ranges that touch zero.",
        id="a log range from zero",
    ),
    pytest.param(
        {"weight": {"zero_or_log_uniform": [0, 1]}},
        "weight: zero_or_log_uniform needs low > 0, got low=0.0. "
        "Use uniform for ranges that touch zero.",
        id="zero is not the low end",
    ),
    pytest.param(
        {"width": {"int_log_uniform": [0, 8]}},
        "width: int_log_uniform needs low > 0, got low=0. "
        "Use int_uniform for ranges that touch zero.",
        id="an integer log range from zero",
    ),
    pytest.param(
        {"rate": {"uniform": [0.5, 0.1]}},
        "rate: uniform needs low < high, got low=0.5, high=0.1. "
        "A single value belongs in [published].",
        id="ends exchanged",
    ),
    pytest.param(
        {"rate": {"uniform": [0.1]}},
        "rate: uniform needs [low, high], two numbers, got [0.1]. Write uniform = [0.001, 1.0].",
        id="one end",
    ),
    pytest.param(
        {"width": {"int_uniform": [1.5, 4]}},
        "width: int_uniform needs [low, high], two integers, got [1.5, 4]. "
        "Write int_uniform = [1, 64].",
        id="a fraction as an integer's end",
    ),
    pytest.param(
        {"rate": {"uniform": [0.1, float("inf")]}},
        "rate: uniform needs [low, high], two numbers, got [0.1, Infinity]. "
        "Write uniform = [0.001, 1.0].",
        id="an infinite end",
    ),
    pytest.param(
        {"rate": {"uniform": [True, 2]}},
        "rate: uniform needs [low, high], two numbers, got [true, 2]. "
        "Write uniform = [0.001, 1.0].",
        id="a boolean end",
    ),
    pytest.param(
        {"rate": {"log_uniform": [0.1, 2.0]}},
        "rate: log_uniform's high must be less than or equal to 1, got 2.0. "
        "Narrow the range to what the field takes.",
        id="beyond the field's bound",
    ),
    pytest.param(
        {"power": {"zero_or_log_uniform": [1.0, 4.0]}},
        "power: zero_or_log_uniform's zero must be greater than or equal to 1, got 0.0. "
        "Narrow the range to what the field takes.",
        id="a field that cannot be zero",
    ),
    pytest.param(
        {"width": {"log_uniform": [8, 64]}},
        "width: log_uniform does not suit a field that is an integer, got log_uniform = [8, 64]. "
        "Use int_uniform or int_log_uniform or choice.",
        id="floats for an integer",
    ),
    pytest.param(
        {"power": {"int_uniform": [1, 4]}},
        "power: int_uniform does not suit a field that is a float, got int_uniform = [1, 4]. "
        "Use uniform or log_uniform or zero_or_log_uniform or choice.",
        id="integers for a float",
    ),
    pytest.param(
        {"layers": {"int_uniform": [1, 2]}},
        "layers: int_uniform does not suit a field that is not a number, "
        "got int_uniform = [1, 2]. Use choice.",
        id="a range over named values",
    ),
    pytest.param(
        {"estimator": {"choice": ["cpc", "mmlib"]}},
        "estimator: every choice must be 'cpc', 'mmilb' or 'none', got \"mmlib\". "
        "Correct or remove the value.",
        id="a choice that the field refuses",
    ),
    pytest.param(
        {"width": {"choice": [8, "16"]}},
        'width: every choice must be a valid integer, got "16". Correct or remove the value.',
        id="a choice of another type",
    ),
    pytest.param(
        {"power": {"choice": [1, 2, 1.0]}},
        "power: choice holds 1.0 twice. Keep one.",
        id="a choice twice",
    ),
    pytest.param(
        {"width": {"choice": [8]}},
        "width: choice needs a list of at least two values, got [8]. "
        "A single value belongs in [published].",
        id="a single choice",
    ),
    pytest.param(
        {"width": {"choice": 8}},
        "width: choice needs a list of at least two values, got 8. "
        "A single value belongs in [published].",
        id="a choice without a list",
    ),
    pytest.param(
        {"power": {"choice": [1.0, float("nan")]}},
        "power: every choice must be finite, got nan. Correct or remove the value.",
        id="a choice that is no number",
    ),
    pytest.param(
        {"rate": 0.001},
        "rate: a distribution is needed, such as { choice = [1, 2] }, got 0.001. "
        "A value that is not searched belongs in [published].",
        id="a bare value",
    ),
    pytest.param(
        {"rate": {}},
        "rate: exactly one distribution is needed, got {}. Keep one. "
        "Known: choice, int_log_uniform, int_uniform, log_uniform, uniform, zero_or_log_uniform.",
        id="no distribution",
    ),
    pytest.param(
        {"rate": {"uniform": [0.1, 1], "log_uniform": [0.1, 1]}},
        'rate: exactly one distribution is needed, got {"uniform": [0.1, 1], '
        '"log_uniform": [0.1, 1]}. Keep one. '
        "Known: choice, int_log_uniform, int_uniform, log_uniform, uniform, zero_or_log_uniform.",
        id="two distributions",
    ),
    pytest.param(
        {"rate": {"loguniform": [0.1, 1]}},
        "rate: no such distribution, got loguniform = [0.1, 1]. Did you mean 'log_uniform'?",
        id="a misspelt distribution",
    ),
    pytest.param(
        {"widht": {"int_uniform": [1, 4]}},
        "widht: no such field to search, got {\"int_uniform\": [1, 4]}. Did you mean 'width'?",
        id="a misspelt field",
    ),
    pytest.param(
        {"fusion": {"choice": ["concat", "low_rank"]}},
        "fusion.choice: the field is a branch and takes arms, got the distribution "
        'choice = ["concat", "low_rank"]. Give each arm a table. '
        "Known: attention, concat, low_rank, stack.",
        id="a distribution for a branch",
    ),
    pytest.param(
        {"fusion": {"lowrank": {}}},
        "fusion.lowrank: no such arm, got lowrank = {}. Did you mean 'low_rank'?",
        id="a misspelt arm",
    ),
    pytest.param(
        {"fusion": {"concat": True}},
        "fusion.concat: an arm needs a table of its parameters, got true. "
        "Write concat = {} for an arm without parameters.",
        id="an arm without a table",
    ),
    pytest.param(
        {"fusion": "concat"},
        'fusion: a branch needs a table with a table for each arm, got "concat". '
        "Arms: concat, low_rank, attention, stack.",
        id="a branch without a table",
    ),
    pytest.param(
        {"fusion": {"low_rank": {"rnk": {"int_uniform": [1, 4]}}}},
        'fusion.low_rank.rnk: no such field to search, got {"int_uniform": [1, 4]}. '
        "Did you mean 'rank'?",
        id="a misspelt field of an arm",
    ),
    pytest.param(
        {"fusion": {"low_rank": {"kind": {"choice": ["a", "b"]}}}},
        'fusion.low_rank.kind: no such field to search, got {"choice": ["a", "b"]}. '
        "Known: features, rank.",
        id="kind is not searched",
    ),
    pytest.param(
        {"fusion": {"attention": {}}},
        "fusion.attention: the arm's field heads has no default and is not searched. "
        "Give heads a distribution.",
        id="an arm that misses a value",
    ),
    pytest.param(
        {"fusion": {"attention": {"heads": {"choice": [1, 3]}}}},
        "fusion.attention: heads must divide width, got 3, 64. Choose values that all go together.",
        id="values that clash",
    ),
]


@pytest.mark.parametrize(("table", "message"), WRONG)
def test_a_wrong_table_says_place_rule_value_and_way_out(
    table: dict[str, Any], message: str
) -> None:
    assert mistakes(table) == [f"a.toml [space] {message}"]


def test_all_mistakes_come_together_and_right_parameters_are_kept() -> None:
    table = {
        "rate": {"uniform": [2.0, 1.0]},
        "width": {"int_uniform": [1, 4]},
        "fusion": {"lowrank": {}, "low_rank": {"rank": {"int_uniform": [0, 4]}}},
    }
    space, problems = parse(table, Config, place="a.toml [space]")
    assert [problem.place for problem in problems] == [
        "a.toml [space] rate",
        "a.toml [space] fusion.lowrank",
        "a.toml [space] fusion.low_rank.rank",
    ]
    assert space == Space({"width": IntUniform(1, 4)})
