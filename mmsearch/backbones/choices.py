"""Which backbones a configuration has, and which of them a study may ask for.

Unusual: what must be computed before a search follows from its space, so networks and what is
taken of them may be choices there, but no ranges.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import BaseModel

from mmsearch.backbones.settings import Given, Learning, Reader
from mmsearch.errors import Problem, StudyError
from mmsearch.space import Branch, Choice, Space
from mmsearch.space.schema import shown
from mmsearch.study import Study

FIELDS = {"text": "text_backbone", "vision": "vision_backbone", "audio": "audio_backbone"}
"""Field of a method's `Config`, by modality."""
WHILE_LEARNING = frozenset(
    {"learning_rate", "weight_decay", "decay_all", "horizontal_flip", "output"}
)
"""Settings of a network that learns along which change nothing of what is computed beforehand."""


@dataclass(frozen=True)
class Chosen:
    """The backbone of one modality."""

    modality: str
    settings: Reader

    @property
    def learns(self) -> bool:
        """Whether it learns along."""
        return isinstance(self.settings, Learning)

    @property
    def key(self) -> str:
        """The same for all that need the same to be computed beforehand."""
        return f"{self.settings.model} {self.portable}"

    @property
    def portable(self) -> str:
        """The same without where the network lies."""
        left_out = {"model", *(WHILE_LEARNING if self.learns else ())}
        kept = self.settings.model_dump(mode="json", exclude=left_out)
        return f"{self.modality} {sorted(kept.items())}"


def of_config(config: BaseModel) -> list[Chosen]:
    """The backbones of a method's configuration, given features left out."""
    found = ((name, getattr(config, field, Given())) for name, field in FIELDS.items())
    return [Chosen(name, settings) for name, settings in found if isinstance(settings, Reader)]


def of_study(study: Study, schema: type[BaseModel]) -> list[Chosen]:
    """One backbone for each thing that trials of a study may need computed beforehand.

    Args:
        study: its published configuration and its space.
        schema: the method's `Config`.

    Raises:
        StudyError: a range where only a choice can be computed.
    """
    space = {name: study.space.parameters.get(field) for name, field in FIELDS.items()}
    branches = {name: branch for name, branch in space.items() if isinstance(branch, Branch)}
    problems = [problem for name in branches for problem in _ranges(name, branches[name])]
    if problems:
        raise StudyError(problems)
    configs = [dict(study.published)]
    for name, branch in branches.items():
        configs += [{**study.published, FIELDS[name]: value} for value in _values(branch)]
    found = [chosen for config in configs for chosen in of_config(schema.model_validate(config))]
    return list({chosen.key: chosen for chosen in found}.values())


def _values(branch: Branch) -> Iterator[Mapping[str, Any]]:
    """Every arm with every combination of its choices; ranges at their low end."""
    for arm, space in branch.arms.items():
        choices = {k: p.values for k, p in space.parameters.items() if isinstance(p, Choice)}
        for values in product(*choices.values()):
            answers = dict(zip(choices, values, strict=True))
            own = space.assign(lambda name, one, said=answers: said.get(name, _low(one)))
            yield {"kind": arm, **branch.fixed.get(arm, {}), **own}


def _low(primitive: Any) -> Any:
    return primitive.values[0] if isinstance(primitive, Choice) else primitive.low


def _ranges(name: str, branch: Branch) -> Iterator[Problem]:
    for arm, space in branch.arms.items():
        for key in _not_choices(space):
            if arm == "fine_tuned" and key in WHILE_LEARNING:
                continue
            place = f"[space] {FIELDS[name]}.{arm}.{key}"
            got = shown(space.parameters[key].table)
            rule = f"a range cannot be computed before a search, got {got}"
            yield Problem(place, rule, "Give the values as a choice.")


def _not_choices(space: Space) -> list[str]:
    return [key for key, one in space.parameters.items() if not isinstance(one, Choice)]
