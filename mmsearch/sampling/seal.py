"""A checksum beside everything that the record holds: a flipped byte is an error, not a number."""

import json
from typing import Any
from zlib import crc32

SEAL = "mmsearch_seal"
"""Optuna's system attribute of a study's or a trial's seal."""
_encode = json.JSONEncoder(sort_keys=True).encode


def seal(*parts: Any) -> int:
    """The checksum of values that survive JSON, told apart from all that differs by one byte."""
    return crc32(_encode(parts).encode())


def require(written: int | None, *parts: Any) -> None:
    """Nothing, if the values are those that were sealed, or were written before there were seals.

    Raises:
        ValueError: they are not.
    """
    if written is not None and written != seal(*parts):
        raise ValueError("its checksum does not match")
