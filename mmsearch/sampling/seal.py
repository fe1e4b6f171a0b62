"""A checksum beside everything that the record holds: a flipped byte is an error, not a number."""

import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

SEAL = "mmsearch_seal"
"""Optuna's system attribute of a study's or a trial's seal."""
_encode = json.JSONEncoder(sort_keys=True).encode


def seal(*parts: Any) -> int:
    """The checksum of values that survive JSON, told apart from all that differs by one byte."""
    return crc32(_encode(parts).encode())


def require(written: Sequence[int] | None, *parts: Any) -> None:
    """Nothing, if one of the seals is that of the values, or they are from before there were seals.

    Raises:
        ValueError: they are not what was sealed.
    """
    if written is not None and seal(*parts) not in written:
        raise ValueError("its checksum does not match")
