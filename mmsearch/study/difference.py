"""What two studies disagree on, line by line: why a recorded study cannot go on as asked."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from mmsearch.space.schema import shown
from mmsearch.study.model import Study

PASSING = ("data", "resources.concurrent", "resources.placement", "budget.wall_hours")
"""What belongs to one sitting alone."""
FREE = (*PASSING, "budget.trials", "budget.gpu_hours")
"""What may change between sittings: it moves no number of a trial."""


def difference(recorded: Study, asked: Study) -> list[str]:
    """Lines such as `seed: 0 on record, 7 asked for`; none if the study can go on as it is."""
    return changes(recorded.text, asked.text, but=FREE)


def changes(recorded: str, asked: str, *, but: Collection[str]) -> list[str]:
    """What differs between two resolved texts, in lines as `difference` gives them.

    Args:
        recorded: text of the study on record.
        asked: text of the study that is asked for.
        but: dotted keys that are passed over.
    """
    before, after = _leaves_of(recorded), _leaves_of(asked)
    lines = [
        f"{key}: {before.get(key, 'nothing')} on record, {after.get(key, 'nothing')} asked for"
        for key in _differing(before, after)
        if key not in but
    ]
    return lines or _reordered(before, after)


def widens(recorded: Study, asked: Study) -> bool:
    """Whether nothing differs but what a new generation of the study may have its own of.

    That is the space, more epochs, and a scheduler where so far there were too few epochs for any.
    """
    more = asked.budget.max_epochs >= recorded.budget.max_epochs
    too_few = not any(
        study.scheduler.rungs(recorded.budget.max_epochs) for study in (recorded, asked)
    )
    return all(
        key in FREE
        or key.startswith("space.")
        or (more and key == "budget.max_epochs")
        or (too_few and key.startswith("scheduler."))
        for key in _differing(_leaves_of(recorded.text), _leaves_of(asked.text))
    )


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _reordered(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The sampler is asked for parameters in the order of the file."""
    orders = [[key for key in leaves if key.startswith("space.")] for leaves in (before, after)]
    same = orders[0] == orders[1]
    return [] if same else ["space: its parameters in one order on record, another asked for"]


def _leaves_of(text: str) -> dict[str, str]:
    return dict(_leaves(tomllib.loads(text)))


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if value and isinstance(value, dict):
            yield from _leaves(cast("Mapping[str, Any]", value), f"{prefix}{key}.")
        else:
            yield prefix + key, shown(value)
