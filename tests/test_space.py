"""The space: what is asked for, what comes of the answers, and what a table may say."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_schema import Config

from mmsearch.space import (
    Branch,
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Parameter,
    Primitive,
    Row,
    Scalar,
    Space,
    Uniform,
    ZeroOrLogUniform,
    parse,
)

FULL: dict[str, Any] = {
    "width": {"int_log_uniform": [8, 128]},
    "rate": {"log_uniform": [1e-5, 1e-1]},
    "weight": {"zero_or_log_uniform": [1e-3, 1]},
    "fusion": {
        "concat": {},
        "low_rank": {"rank": {"int_uniform": [2, 16]}},
        "stack": {"first": {"concat": {}, "low_rank": {"rank": {"choice": [2, 4]}}}},
    },
    "estimator": {"choice": ["cpc", "none"]},
    "flag": {"choice": [True, False]},
}


def space_of(table: dict[str, Any]) -> Space:
    space, problems = parse(table, Config, place="a.toml [space]")
    assert not problems
    return space


# Any space, and any answers.

names = st.text("abcde", min_size=1, max_size=3)
positive = st.floats(1e-9, 1e9)


def ordered(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(numbers, numbers).filter(lambda ends: ends[0] != ends[1]).map(sorted)


choices = st.lists(
    st.integers(2, 99) | st.text(max_size=4) | st.booleans(), min_size=2, max_size=4, unique=True
).map(lambda values: Choice(tuple(values)))
leaves: st.SearchStrategy[Parameter] = st.one_of(
    ordered(st.floats(-1e9, 1e9)).map(lambda ends: Uniform(*ends)),
    ordered(positive).map(lambda ends: LogUniform(*ends)),
    ordered(positive).map(lambda ends: ZeroOrLogUniform(*ends)),
    ordered(st.integers(-99, 99)).map(lambda ends: IntUniform(*ends)),
    ordered(st.integers(1, 99)).map(lambda ends: IntLogUniform(*ends)),
    choices,
)


def tables(parameters: st.SearchStrategy[Parameter], least: int = 0) -> st.SearchStrategy[Space]:
    return st.dictionaries(names, parameters, min_size=least, max_size=3).map(Space)


parameters: st.SearchStrategy[Parameter] = st.recursive(
    leaves,
    lambda inner: st.dictionaries(names, tables(inner), min_size=1, max_size=3).map(Branch),
    max_leaves=6,
)
spaces = tables(parameters, least=1)


def values_of(primitive: Primitive) -> st.SearchStrategy[Scalar]:
    if isinstance(primitive, Choice):
        return st.sampled_from(primitive.values)
    if isinstance(primitive, IntUniform | IntLogUniform):
        return st.integers(primitive.low, primitive.high)
    return st.floats(primitive.low, primitive.high)


def answers(data: st.DataObject) -> Callable[[str, Primitive], Scalar]:
    return lambda name, primitive: data.draw(values_of(primitive), label=name)


@given(spaces, st.data())
def test_primitives_are_what_assign_asked_and_give_the_assignment_again(
    space: Space, data: st.DataObject
) -> None:
    asked: dict[str, tuple[Primitive, Scalar]] = {}
    draw = answers(data)

    def ask(name: str, primitive: Primitive) -> Scalar:
        assert name not in asked
        asked[name] = (primitive, draw(name, primitive))
        return asked[name][1]

    assignment = space.assign(ask)
    assert space.primitives(assignment) == asked
    assert list(space.primitives(assignment)) == list(asked)
    assert space.assign(lambda name, _: asked[name][1]) == assignment


@given(spaces, st.data())
def test_an_assignment_can_be_told_from_its_flat_form(space: Space, data: st.DataObject) -> None:
    assignment = space.assign(answers(data))
    flat = space.flatten(assignment)

    def recall(name: str, _: Primitive) -> Scalar:
        return flat[name] if name in flat else flat[name.removesuffix(".zero")] == 0

    assert space.assign(recall) == assignment


@given(spaces, st.data())
def test_what_was_assigned_lies_inside(space: Space, data: st.DataObject) -> None:
    assert space.misfits(space.assign(answers(data)), place="here") == ()


@given(spaces, st.data())
def test_flat_names_are_rows_of_the_description(space: Space, data: st.DataObject) -> None:
    rows = [row.name for row in space.describe()]
    flat = list(space.flatten(space.assign(answers(data))))
    assert [name for name in rows if name in flat] == flat
    assert len(set(rows)) == len(rows)


# One space, by example.


def test_parameters_are_asked_for_in_file_order_and_only_where_they_live() -> None:
    asked: list[str] = []

    def ask(name: str, primitive: Primitive) -> Scalar:
        asked.append(name)
        return {"fusion": "low_rank", "weight.zero": True}.get(
            name, primitive.values[0] if isinstance(primitive, Choice) else primitive.low
        )

    assignment = space_of(FULL).assign(ask)
    expected = ["width", "rate", "weight.zero", "fusion", "fusion.low_rank.rank", "estimator"]
    assert asked == [*expected, "flag"]
    assert assignment["fusion"] == {"kind": "low_rank", "rank": 2, "features": 64}
    assert assignment["weight"] == 0.0


def test_a_branch_within_an_arm_is_nested_in_the_assignment() -> None:
    space = space_of({"fusion": FULL["fusion"]})
    given_answers = {"fusion": "stack", "fusion.stack.first": "low_rank"}
    assignment = space.assign(lambda name, _: given_answers.get(name, 4))
    assert assignment == {
        "fusion": {"kind": "stack", "first": {"kind": "low_rank", "rank": 4, "features": 64}},
    }
    assert space.flatten(assignment) == {
        "fusion": "stack",
        "fusion.stack.first": "low_rank",
        "fusion.stack.first.low_rank.rank": 4,
    }


def test_keys_outside_the_space_are_ignored() -> None:
    space = space_of({"rate": FULL["rate"], "fusion": {"low_rank": {}}})
    config = {"rate": 0.01, "flag": True, "fusion": {"kind": "low_rank", "rank": 3}}
    assert space.flatten(config) == {"rate": 0.01, "fusion": "low_rank"}
    assert list(space.primitives(config)) == ["rate", "fusion"]


def test_the_description_is_the_table_of_an_appendix() -> None:
    assert space_of(FULL).describe() == [
        Row("width", "int_log_uniform", "[8, 128]"),
        Row("rate", "log_uniform", "[1e-05, 0.1]"),
        Row("weight", "zero_or_log_uniform", "0 or [0.001, 1.0]"),
        Row("fusion", "branch", "concat, low_rank, stack"),
        Row("fusion.low_rank.rank", "int_uniform", "[2, 16]", "fusion = low_rank"),
        Row("fusion.stack.first", "branch", "concat, low_rank", "fusion = stack"),
        Row(
            "fusion.stack.first.low_rank.rank",
            "choice",
            "2, 4",
            "fusion = stack, fusion.stack.first = low_rank",
        ),
        Row("estimator", "choice", "cpc, none"),
        Row("flag", "choice", "true, false"),
    ]


def test_a_space_written_as_a_table_parses_to_itself() -> None:
    space = space_of(FULL)
    assert space_of(space.table()) == space


def test_a_float_field_gets_floats_from_integers_in_the_file() -> None:
    space = space_of({"rate": {"uniform": [1e-3, 1]}, "power": {"choice": [1, 2.5]}})
    assert space == Space({"rate": Uniform(0.001, 1.0), "power": Choice((1.0, 2.5))})
    values = [type(value) for value in space.table()["power"]["choice"]]
    assert values == [float, float]


def test_an_optional_field_takes_the_distributions_of_its_type() -> None:
    assert space_of({"limit": {"uniform": [0, 1]}}) == Space({"limit": Uniform(0.0, 1.0)})


OUTSIDE = [
    pytest.param(
        {"rate": 0.5},
        "here rate: 0.5 lies outside the space, log_uniform [1e-05, 0.1]. "
        "Widen [space] rate, or correct the value.",
        id="above a range",
    ),
    pytest.param(
        {"weight": 1e-4},
        "here weight: 0.0001 lies outside the space, zero_or_log_uniform 0 or [0.001, 1.0]. "
        "Widen [space] weight, or correct the value.",
        id="between zero and the range",
    ),
    pytest.param(
        {"width": 16.0},
        "here width: 16.0 lies outside the space, int_log_uniform [8, 128]. "
        "Widen [space] width, or correct the value.",
        id="a float for an integer",
    ),
    pytest.param(
        {"flag": 1},
        "here flag: 1 lies outside the space, choice true, false. "
        "Widen [space] flag, or correct the value.",
        id="one is not true",
    ),
    pytest.param(
        {"estimator": "mmilb"},
        'here estimator: "mmilb" lies outside the space, choice cpc, none. '
        "Widen [space] estimator, or correct the value.",
        id="not among the choices",
    ),
    pytest.param(
        {"fusion": {"kind": "attention", "heads": 2}},
        'here fusion: "attention" is no arm of the space, which has concat, low_rank, stack. '
        "Add attention to [space] fusion, or correct the value.",
        id="another arm",
    ),
    pytest.param(
        {"fusion": {"kind": "low_rank", "rank": 64}},
        "here fusion.rank: 64 lies outside the space, int_uniform [2, 16]. "
        "Widen [space] fusion.low_rank.rank, or correct the value.",
        id="a living arm's parameter",
    ),
    pytest.param(
        {"rate": None},
        "here rate: no value, but [space] rate searches it. Give it a value.",
        id="nothing",
    ),
]


@pytest.mark.parametrize(("change", "message"), OUTSIDE)
def test_a_value_outside_says_where_and_how_to_mend_it(
    change: dict[str, Any], message: str
) -> None:
    inside = {
        "width": 32,
        "rate": 0.01,
        "weight": 0.0,
        "fusion": {"kind": "concat"},
        "estimator": "cpc",
        "flag": True,
    }
    problems = space_of(FULL).misfits(inside | change, place="here")
    assert [str(problem) for problem in problems] == [message]


def test_importing_the_space_loads_neither_torch_nor_an_engine() -> None:
    code = (
        "import sys, mmsearch.space; "
        "print({'torch', 'ray', 'optuna', 'deepspeed', 'tensorboard'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
