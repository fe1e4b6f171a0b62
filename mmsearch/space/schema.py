"""What a field of a method's `Config` may hold: arms, numbers, or whatever pydantic accepts.

Unusual: the space and the study reader ask the schema and nothing else, so that a field's type and
bounds are written once, in the method.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

KIND = "kind"
"""The field that names an arm."""


@dataclass(frozen=True)
class FieldType:
    """What one field may hold."""

    arms: Mapping[str, type[BaseModel]]
    """By the arm's name; empty if the field is no branch."""
    floats: bool
    """Whether ranges of floats make sense."""
    ints: bool
    """Whether ranges of integers make sense."""
    adapter: TypeAdapter[Any]

    def check(self, value: object) -> tuple[Any, str]:
        """The value as the field keeps it, and the rule that it breaks (empty if none)."""
        if isinstance(value, float) and not math.isfinite(value):
            return value, f"must be finite, got {value}"
        try:
            return self.adapter.validate_python(value), ""
        except ValidationError as error:
            return value, rule_of(error.errors()[0])

    def __str__(self) -> str:
        if self.arms:
            return "a branch"
        return "a float" if self.floats else "an integer" if self.ints else "not a number"


def field_type(schema: type[BaseModel], name: str) -> FieldType:
    """What the field of this name may hold; it must exist."""
    field = schema.model_fields[name]
    members = _members(field.annotation)
    arms = _arms(members)
    config = ConfigDict(strict=bool(schema.model_config.get("strict")))
    annotated: Any = Annotated[field.annotation, field]
    return FieldType(
        arms=arms,
        floats=float in members,
        ints=int in members,
        adapter=TypeAdapter(annotated, config=None if arms else config),
    )


def searchable(schema: type[BaseModel]) -> list[str]:
    """Names of the fields that a space may name."""
    return [name for name in schema.model_fields if name != KIND]


def required(schema: type[BaseModel]) -> list[str]:
    """Names of the fields without a default."""
    fields = schema.model_fields.items()
    return [name for name, field in fields if field.is_required() and name != KIND]


def defaults(schema: type[BaseModel], *, but: Collection[str]) -> dict[str, Any]:
    """Default values of the fields that have one, without its kind and the fields named."""
    fields = schema.model_fields.items()
    values = {
        name: field.get_default(call_default_factory=True)
        for name, field in fields
        if not field.is_required() and name != KIND and name not in but
    }
    return {
        name: value.model_dump() if isinstance(value, BaseModel) else value
        for name, value in values.items()
    }


def models(schema: type[BaseModel], name: str) -> dict[str, type[BaseModel]]:
    """Models that a field may hold: a branch's by arm, another's under its class's name."""
    field = schema.model_fields.get(name)
    if field is None:
        return {}
    members = _members(field.annotation)
    return _arms(members) or {model.__name__: model for model in _models(members)}


def rule_of(detail: ErrorDetails) -> str:
    """The rule that a value breaks, with the value, in the words of our messages."""
    rule = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if detail["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        rule = "must be a table"
    return rule if ", got " in rule else f"{rule}, got {shown(detail['input'])}"


def shown(value: object) -> str:
    """A value in one line, text in quotes, cut where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(m for member in get_args(annotation) for m in _members(member))
    return (annotation,)


def _models(members: tuple[Any, ...]) -> list[type[BaseModel]]:
    return [
        member for member in members if isinstance(member, type) and issubclass(member, BaseModel)
    ]


def _arms(members: tuple[Any, ...]) -> dict[str, type[BaseModel]]:
    kinds = [(_kinds(model), model) for model in _models(members)]
    return {names[0]: model for names, model in kinds if len(names) == 1}


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get(KIND)
    annotation = field.annotation if field else None
    return get_args(annotation) if get_origin(annotation) is Literal else ()
