"""A method without each of its parts: which parts there are, and a study that tunes what is left.

A loss term is a field `..._weight` that may be 0; a memory or another part that can be switched off
is a field that may be `off`; and each arm of a branch stands for the one that was chosen.

Unusual: the full method is tuned again as well, around its choice and with the same budget, so that
no part seems worth what tuning is worth.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, ValidationError

from mmsearch.ablate.parts import Part
from mmsearch.space import Branch, Primitive, Scalar, Space
from mmsearch.space.narrowing import middle, narrowed
from mmsearch.study import Study
from mmsearch.study.plain import without_none

OFF = "off"
FULL = "full"


@dataclass(frozen=True)
class Variant:
    """A configuration without a part, and the space around it."""

    label: str
    config: Mapping[str, Any]
    """Complete."""
    space: Space


def variants(
    study: Study, config: Mapping[str, Any], schema: type[BaseModel], parts: tuple[Part, ...]
) -> list[Variant]:
    """The full method, then the method without each part that the configuration has.

    What the method's `Config` refuses is left out: there is no such method.

    Args:
        study: that the configuration was found in.
        config: complete and inside the space of the study.
        schema: the method's `Config`.
        parts: kinds of parts that are taken away.
    """
    space = narrowed(study.space, config)
    found = [Variant(FULL, config, space)]
    if Part.TERMS in parts:
        found += _without(config, space, _terms(config, schema), "no_{name}", 0.0)
    if Part.SWITCHES in parts:
        found += _without(config, space, _switches(config, schema), "{name}_off", OFF)
    if Part.BRANCHES in parts:
        found += _arms(study.space, config, space)
    return [one for one in found if _stands(one.config, schema)]


def study_text(study_text: str, variant: Variant, trials: int) -> str:
    """A study file that tunes a variant.

    Args:
        study_text: resolved text of the study that the full method was found in.
        variant: where it begins, and its space.
        trials: its budget.
    """
    document = tomllib.loads(study_text)
    document.pop("first", None)
    document["published"] = dict(variant.config)
    document["space"] = variant.space.table()
    budget = {"trials": trials, "max_epochs": document["budget"]["max_epochs"]}
    return tomli_w.dumps(without_none({**document, "budget": budget}))


def _terms(config: Mapping[str, Any], schema: type[BaseModel]) -> list[str]:
    return [
        name
        for name in schema.model_fields
        if name.endswith("_weight") and isinstance(config[name], float) and config[name] > 0
    ]


def _switches(config: Mapping[str, Any], schema: type[BaseModel]) -> list[str]:
    return [
        name
        for name, field in schema.model_fields.items()
        if (OFF in get_args(field.annotation) or field.default == OFF) and config[name] != OFF
    ]


def _without(
    config: Mapping[str, Any], space: Space, names: list[str], label: str, off: Scalar
) -> Iterator[Variant]:
    for name in names:
        left = {key: one for key, one in space.parameters.items() if key != name}
        yield Variant(label.format(name=name), {**config, name: off}, Space(left))


def _arms(whole: Space, config: Mapping[str, Any], space: Space) -> Iterator[Variant]:
    for name, branch in whole.parameters.items():
        if not isinstance(branch, Branch):
            continue
        for arm, own in branch.arms.items():
            if arm == config[name]["kind"]:
                continue
            value = {"kind": arm, **branch.fixed.get(arm, {}), **own.assign(_middle)}
            one = Branch({arm: own}, {arm: branch.fixed.get(arm, {})})
            left = Space({**space.parameters, name: one})
            yield Variant(f"{name}_{arm}", {**config, name: value}, left)


def _middle(_: str, primitive: Primitive) -> Scalar:
    return middle(primitive)


def _stands(config: Mapping[str, Any], schema: type[BaseModel]) -> bool:
    try:
        schema.model_validate(dict(config))
    except ValidationError:
        return False
    return True
