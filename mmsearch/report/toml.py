"""Configurations in `[published]` shape, cut into pieces that trials share.

Unusual: a thousand trials differ in few of their many keys. A page that holds each piece once, and
for each trial which of them it has, is small, and what is copied from it is the TOML of a study.
"""

from collections.abc import Mapping
from typing import Any

import tomli_w

from mmsearch.study.plain import without_none
from mmsearch.trial import Record

HEADER = "[published]\n"


class Pieces:
    """Every key with its value that some trial has, as TOML.

    A configuration is `HEADER`, then its pieces that are lines, then its pieces that are tables.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def texts(self) -> list[str]:
        """All pieces, by place."""
        return list(self._places)

    def of(self, config: Mapping[str, Any]) -> list[int]:
        """Places of a configuration's pieces, in the order in which they are to be written."""
        pieces = [_piece(key, value) for key, value in config.items() if value is not None]
        pieces.sort(key=lambda piece: piece.lstrip().startswith("["))
        return [self._places.setdefault(piece, len(self._places)) for piece in pieces]


def published_shape(config: Mapping[str, Any]) -> str:
    """A configuration as the `[published]` table of a study file."""
    pieces = Pieces()
    chosen = pieces.of(config)
    return HEADER + "".join(pieces.texts[place] for place in chosen)


def shared(record: Record) -> tuple[list[str], list[list[int]]]:
    """The pieces of all trials, and which of them each trial has."""
    pieces = Pieces()
    chosen = [pieces.of(trial.config) for trial in record.trials]
    return pieces.texts, chosen


def _piece(key: str, value: Any) -> str:
    return tomli_w.dumps({"published": without_none({key: value})}).removeprefix(HEADER)
