"""From the `[space]` table of a study file to a `Space`, with every mistake that is in it.

Unusual: whether a table is a distribution or an arm is told by the type of the field, never by the
look of the table; bounds and types of values are the field's own, checked by pydantic.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from mmsearch.errors import Problem, closest
from mmsearch.space.distributions import (
    RANGES,
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    RangeType,
    Scalar,
    Uniform,
    ZeroOrLogUniform,
    same,
)
from mmsearch.space.model import Branch, Parameter, Space
from mmsearch.space.schema import (
    KIND,
    FieldType,
    defaults,
    field_type,
    required,
    rule_of,
    searchable,
    shown,
)

Outcome = Parameter | list[Problem]
"""What comes of one entry: a parameter, or the mistakes that are in it."""

MAX_CORNERS = 256
"""Combinations of an arm's values that are tried before anything starts."""

_BY_KIND: dict[str, RangeType] = {range_type.kind: range_type for range_type in RANGES}
_KINDS = (*_BY_KIND, Choice.kind)


def parse(
    table: Mapping[str, Any], schema: type[BaseModel], *, place: str
) -> tuple[Space, list[Problem]]:
    """The space of a `[space]` table, and all mistakes in it.

    Args:
        table: as read from TOML; the order of its keys is the order of parameters.
        schema: the method's `Config`.
        place: file and table, for messages, for example `study.toml [space]`.

    Returns:
        The space of the parameters without a mistake, and the mistakes of the others.
    """
    return _space(table, schema, f"{place} ")


def _space(
    table: Mapping[str, Any], schema: type[BaseModel], prefix: str
) -> tuple[Space, list[Problem]]:
    parameters: dict[str, Parameter] = {}
    problems: list[Problem] = []
    for name, entry in table.items():
        outcome = _parameter(name, entry, schema, prefix + name)
        if isinstance(outcome, list):
            problems += outcome
        else:
            parameters[name] = outcome
    return Space(parameters), problems


def _parameter(name: str, entry: object, schema: type[BaseModel], place: str) -> Outcome:
    known = searchable(schema)
    if name not in known:
        return [
            Problem(place, f"no such field to search, got {shown(entry)}", closest(name, known))
        ]
    field = field_type(schema, name)
    return _branch(entry, field, place) if field.arms else _distribution(entry, field, place)


def _branch(entry: object, field: FieldType, place: str) -> Outcome:
    arms_table = _table(entry)
    if not arms_table:
        rule = f"a branch needs a table with a table for each arm, got {shown(entry)}"
        return [Problem(place, rule, f"Arms: {', '.join(field.arms)}.")]
    arms: dict[str, Space] = {}
    problems: list[Problem] = []
    for arm, own in arms_table.items():
        wrong = _not_an_arm(arm, own, field, f"{place}.{arm}")
        if wrong:
            problems.append(wrong)
            continue
        arms[arm], found = _space(own, field.arms[arm], f"{place}.{arm}.")
        found += _unassigned(own, field.arms[arm], f"{place}.{arm}")
        problems += found or _clashes(arm, arms[arm], field.arms[arm], f"{place}.{arm}")
    fixed = {arm: defaults(field.arms[arm], but=space.parameters) for arm, space in arms.items()}
    return problems or Branch(arms, fixed)


def _not_an_arm(arm: str, own: object, field: FieldType, place: str) -> Problem | None:
    if arm in field.arms:
        if isinstance(own, Mapping):
            return None
        rule = f"an arm needs a table of its parameters, got {shown(own)}"
        return Problem(place, rule, f"Write {arm} = {{}} for an arm without parameters.")
    known = tuple(field.arms)
    if arm in _KINDS:
        rule = f"the field is a branch and takes arms, got the distribution {arm} = {shown(own)}"
        return Problem(place, rule, f"Give each arm a table. {closest(arm, known)}")
    return Problem(place, f"no such arm, got {arm} = {shown(own)}", closest(arm, known))


def _unassigned(own: Mapping[str, Any], arm: type[BaseModel], place: str) -> Iterator[Problem]:
    for name in required(arm):
        if name not in own:
            rule = f"the arm's field {name} has no default and is not searched"
            yield Problem(place, rule, f"Give {name} a distribution.")


def _clashes(kind: str, space: Space, arm: type[BaseModel], place: str) -> list[Problem]:
    """Values that the arm takes one by one but not together, among the ends of its parameters."""
    ends: dict[str, tuple[Scalar, ...]] = {KIND: (kind,)}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Branch):
            return []
        is_choice = isinstance(parameter, Choice)
        ends[name] = parameter.values if is_choice else (parameter.low, parameter.high)
    for corner in islice(product(*ends.values()), MAX_CORNERS):
        try:
            arm.model_validate(dict(zip(ends, corner, strict=True)))
        except ValidationError as error:
            rule = rule_of(error.errors()[0])
            return [Problem(place, rule, "Choose values that all go together.")]
    return []


def _distribution(entry: object, field: FieldType, place: str) -> Outcome:
    table = _table(entry)
    if table is None:
        rule = f"a distribution is needed, such as {{ choice = [1, 2] }}, got {shown(entry)}"
        return [Problem(place, rule, "A value that is not searched belongs in [published].")]
    if len(table) != 1:
        rule = f"exactly one distribution is needed, got {shown(entry)}"
        return [Problem(place, rule, f"Keep one. {closest('', _KINDS)}")]
    kind, values = next(iter(table.items()))
    if kind not in _KINDS:
        rule = f"no such distribution, got {kind} = {shown(values)}"
        return [Problem(place, rule, closest(kind, _KINDS))]
    if kind not in _suitable(field):
        rule = f"{kind} does not suit a field that is {field}, got {kind} = {shown(values)}"
        return [Problem(place, rule, f"Use {' or '.join(_suitable(field))}.")]
    if kind == Choice.kind:
        return _choice(values, field, place)
    return _range(_BY_KIND[kind], values, field, place)


def _suitable(field: FieldType) -> list[str]:
    floats = (Uniform.kind, LogUniform.kind, ZeroOrLogUniform.kind) if field.floats else ()
    ints = (IntUniform.kind, IntLogUniform.kind) if field.ints else ()
    return [*floats, *ints, Choice.kind]


def _choice(values: object, field: FieldType, place: str) -> Outcome:
    listed = _list(values)
    if len(listed) < 2:
        rule = f"choice needs a list of at least two values, got {shown(values)}"
        return [Problem(place, rule, "A single value belongs in [published].")]
    kept: list[Scalar] = []
    problems: list[Problem] = []
    for value in listed:
        checked, rule = field.check(value)
        if any(same(checked, other) for other in kept):
            problems.append(Problem(place, f"choice holds {shown(value)} twice", "Keep one."))
        elif rule:
            problems.append(Problem(place, f"every choice {rule}", "Correct or remove the value."))
        else:
            kept.append(checked)
    return problems or Choice(tuple(kept))


def _range(range_type: RangeType, values: object, field: FieldType, place: str) -> Outcome:
    kind, whole = range_type.kind, range_type in (IntUniform, IntLogUniform)
    ends = _list(values)
    if len(ends) != 2 or not all(_is_number(end, whole=whole) for end in ends):
        rule = f"{kind} needs [low, high], two {'integers' if whole else 'numbers'}"
        return [Problem(place, f"{rule}, got {shown(values)}", f"Write {kind} = {_example(kind)}.")]
    bounds: list[Any] = ends if whole else [float(end) for end in ends]
    low, high = bounds
    problem = _misordered(kind, low, high, place)
    if problem:
        return [problem]
    points = {"low": low, "high": high}
    if range_type is ZeroOrLogUniform:
        points["zero"] = 0.0
    broken = [(point, field.check(value)[1]) for point, value in points.items()]
    problems = [
        Problem(place, f"{kind}'s {point} {rule}", "Narrow the range to what the field takes.")
        for point, rule in broken
        if rule
    ]
    return problems or range_type(low, high)


def _misordered(kind: str, low: float, high: float, place: str) -> Problem | None:
    if not low < high:
        rule = f"{kind} needs low < high, got low={low}, high={high}"
        return Problem(place, rule, "A single value belongs in [published].")
    if "log" in kind and low <= 0:
        way_out = "Use uniform for ranges that touch zero."
        if kind == IntLogUniform.kind:
            way_out = "Use int_uniform for ranges that touch zero."
        return Problem(place, f"{kind} needs low > 0, got low={low}", way_out)
    return None


def _table(value: object) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _is_number(value: object, *, whole: bool) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def _example(kind: str) -> str:
    return "[1, 64]" if kind.startswith("int") else "[0.001, 1.0]"
