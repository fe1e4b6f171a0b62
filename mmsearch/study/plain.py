"""What TOML can hold of a table: a key without a value is a key that is absent."""

from collections.abc import Mapping
from typing import Any, cast


def without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table without keys that hold None, in tables and lists of it as well."""
    return {key: _plain(value) for key, value in table.items() if value is not None}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return without_none(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[object]", value)]
    return value
