"""The space of a study: parameters in file order, and branches whose arms bring their own.

Unusual: an assignment is nested as in a study file (`{"fusion": {"kind": "low_rank", "rank": 8}}`),
while samplers and tables speak of parameters by one flat name (`fusion.low_rank.rank`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mmsearch.errors import Problem
from mmsearch.space.distributions import (
    IS_ZERO,
    Choice,
    Primitive,
    Scalar,
    ZeroOrLogUniform,
    is_zero,
)
from mmsearch.space.schema import shown


@dataclass(frozen=True)
class Branch:
    """A choice between arms; only the living arm's parameters exist."""

    arms: Mapping[str, "Space"]
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """By arm: values of its fields that are not searched."""

    @property
    def choice(self) -> Choice:
        """What a sampler is asked for: the name of an arm."""
        return Choice(tuple(self.arms))


Parameter = Primitive | ZeroOrLogUniform | Branch
Ask = Callable[[str, Primitive], Scalar]


@dataclass(frozen=True)
class Row:
    """One line of the table of a search space that a paper's appendix prints."""

    name: str
    kind: str
    """The distribution's name in study files, or `branch`."""
    values: str
    """The values in words, for example `[1e-06, 0.001]`."""
    condition: str = ""
    """Arms that must live for the parameter to exist; empty if it always does."""


@dataclass(frozen=True)
class Space:
    """Which parameters there are and which values each may take."""

    parameters: Mapping[str, Parameter]
    """By field name, in file order."""

    def assign(self, ask: Ask) -> dict[str, Any]:
        """One value for every living parameter, in file order, nested as in a study file.

        Args:
            ask: gives the value of a parameter from its flat name and what it is drawn from. A
                branch asks for its arm under its own name; a weight that may be off asks
                `<name>.zero` first.
        """
        assignment: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Branch):
                arm = str(ask(name, parameter.choice))
                own = parameter.arms[arm].assign(_within(ask, f"{name}.{arm}"))
                assignment[name] = {"kind": arm, **parameter.fixed.get(arm, {}), **own}
            elif isinstance(parameter, ZeroOrLogUniform):
                off = ask(f"{name}.zero", IS_ZERO)
                assignment[name] = 0.0 if off else ask(name, parameter.positive)
            else:
                assignment[name] = ask(name, parameter)
        return assignment

    def primitives(self, assignment: Mapping[str, Any]) -> dict[str, tuple[Primitive, Scalar]]:
        """What `assign` would have asked to arrive at this assignment, and the answers.

        Keys that are not in the space are ignored; the assignment must lie inside (`misfits`).
        """
        asked: dict[str, tuple[Primitive, Scalar]] = {}
        for name, parameter in self.parameters.items():
            value = assignment[name]
            if isinstance(parameter, Branch):
                arm = value["kind"]
                asked[name] = (parameter.choice, arm)
                own = parameter.arms[arm].primitives(value)
                asked |= {f"{name}.{arm}.{key}": pair for key, pair in own.items()}
            elif isinstance(parameter, ZeroOrLogUniform):
                asked[f"{name}.zero"] = (IS_ZERO, is_zero(value))
                if not is_zero(value):
                    asked[name] = (parameter.positive, value)
            else:
                asked[name] = (parameter, value)
        return asked

    def flatten(self, assignment: Mapping[str, Any]) -> dict[str, Scalar]:
        """Living parameters by flat name, a branch with its arm's name.

        Keys that are not in the space are ignored; the assignment must lie inside (`misfits`).
        """
        flat: dict[str, Scalar] = {}
        for name, parameter in self.parameters.items():
            value = assignment[name]
            if isinstance(parameter, Branch):
                arm = value["kind"]
                flat[name] = arm
                own = parameter.arms[arm].flatten(value)
                flat |= {f"{name}.{arm}.{key}": scalar for key, scalar in own.items()}
            else:
                flat[name] = value
        return flat

    def keeping(self, config: Mapping[str, Any]) -> "Space":
        """The same space; what the living arms of a configuration do not search stays as it has it.

        Args:
            config: complete and inside the space, nested as in `[published]`.
        """
        return Space(
            {
                name: _keeping(parameter, config[name])
                if isinstance(parameter, Branch)
                else parameter
                for name, parameter in self.parameters.items()
            }
        )

    def misfits(self, assignment: Mapping[str, Any], *, place: str) -> tuple[Problem, ...]:
        """Why an assignment lies outside the space: nothing if it lies inside.

        Args:
            assignment: nested as in `[published]`; keys that are not in the space are ignored.
            place: file and table that the assignment was read from.
        """
        return tuple(_misfits(self, assignment, f"{place} ", ""))

    def describe(self) -> list[Row]:
        """The table of a paper's appendix, in file order, arms' parameters under their branch."""
        rows: list[Row] = []
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, Branch):
                rows.append(Row(name, parameter.kind, parameter.extent))
                continue
            rows.append(Row(name, "branch", parameter.choice.extent))
            for arm, space in parameter.arms.items():
                rows += [_under(row, name, arm) for row in space.describe()]
        return rows

    def table(self) -> dict[str, Any]:
        """As the `[space]` table of a study file: `parse` of it gives this space again."""
        return {
            name: (
                {arm: space.table() for arm, space in parameter.arms.items()}
                if isinstance(parameter, Branch)
                else parameter.table
            )
            for name, parameter in self.parameters.items()
        }


def _keeping(branch: Branch, value: Mapping[str, Any]) -> Branch:
    arm = value["kind"]
    space = branch.arms[arm].keeping(value)
    kept = {key: value[key] for key in value if key != "kind" and key not in space.parameters}
    return Branch({**branch.arms, arm: space}, {**branch.fixed, arm: kept})


def _within(ask: Ask, prefix: str) -> Ask:
    return lambda name, primitive: ask(f"{prefix}.{name}", primitive)


def _under(row: Row, branch: str, arm: str) -> Row:
    inner = f", {branch}.{arm}.{row.condition}" if row.condition else ""
    return replace(row, name=f"{branch}.{arm}.{row.name}", condition=f"{branch} = {arm}{inner}")


def _misfits(
    space: Space, assignment: Mapping[str, Any], path: str, prefix: str
) -> Iterator[Problem]:
    for key, parameter in space.parameters.items():
        place, name, value = path + key, prefix + key, assignment.get(key)
        if value is None:
            yield Problem(place, f"no value, but [space] {name} searches it", "Give it a value.")
        elif isinstance(parameter, Branch):
            yield from _arm_misfits(parameter, value, place, name)
        elif not parameter.contains(value):
            rule = f"{shown(value)} lies outside the space, {parameter.kind} {parameter.extent}"
            yield Problem(place, rule, f"Widen [space] {name}, or correct the value.")


def _arm_misfits(branch: Branch, value: Any, place: str, name: str) -> Iterator[Problem]:
    own = cast("Mapping[str, Any]", value if isinstance(value, Mapping) else {"kind": value})
    arm = str(own.get("kind"))
    if arm in branch.arms:
        yield from _misfits(branch.arms[arm], own, f"{place}.", f"{name}.{arm}.")
    else:
        rule = f"{shown(arm)} is no arm of the space, which has {branch.choice.extent}"
        yield Problem(place, rule, f"Add {arm} to [space] {name}, or correct the value.")
