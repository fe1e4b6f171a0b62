"""What two studies disagree on, line by line: why a recorded study cannot go on as asked."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from mmsearch.space.schema import shown
from mmsearch.study.model import Study

FREE = ("data", "resources.concurrent", "budget.gpu_hours", "budget.wall_hours")
"""What may change between sittings: it moves no number of a trial."""


def difference(recorded: Study, asked: Study) -> list[str]:
    """Lines such as `budget.trials: 200 on record, 50 asked for`; none if the study can go on."""
    before, after = (dict(_leaves(tomllib.loads(study.text))) for study in (recorded, asked))
    keys = [key for key in {**before, **after} if key not in FREE]
    return [
        f"{key}: {before.get(key, 'nothing')} on record, {after.get(key, 'nothing')} asked for"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if value and isinstance(value, dict):
            yield from _leaves(cast("Mapping[str, Any]", value), f"{prefix}{key}.")
        else:
            yield prefix + key, shown(value)
