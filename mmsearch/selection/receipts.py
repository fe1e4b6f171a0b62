"""Receipts of the test split: every opening for a choice is on record, and shown ever after.

Unusual: a receipt is written before the split is read, and each carries the checksum of those
before it, so that an opening whose figures nobody liked cannot be taken out in silence.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import tomli_w

from mmsearch.errors import Problem, SelectionError
from mmsearch.report.files import write_atomically

NAME = "receipts.toml"
REMARK = (
    "# Every opening of the test split for this study. Written by mmsearch; do not edit: each\n"
    "# receipt carries the checksum of those before it.\n\n"
)
Opening = Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """Whom the split is opened for, and why."""

    trial: int
    """Of the search."""
    config: Mapping[str, Any]
    rule: str
    why: str
    """Why the race had ended."""
    seeds: Sequence[int]
    """Replicates that are evaluated."""
    fingerprints: Mapping[str, str]
    """`record`: of all replicates; `search`: of the search's trials; `data`: of train and valid."""

    @property
    def frozen(self) -> dict[str, Any]:
        """What makes two openings the same one."""
        return {"config": _checksum(self.config), "seeds": list(self.seeds)}


class Receipts:
    """The file of a study's openings."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @property
    def openings(self) -> tuple[Opening, ...]:
        """All of them, in order.

        Raises:
            SelectionError: the file was changed by somebody else.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        try:
            found = cast("list[dict[str, Any]]", tomllib.loads(text)["opening"])
            _require_chain(found)
        except (LookupError, TypeError, ValueError) as error:
            rule = f"the receipts of the test split were changed ({error})"
            way_out = "Bring the file back from a copy: what was opened stays on record."
            raise SelectionError(Problem(str(self._path), rule, way_out)) from error
        return tuple(found)

    def find(self, chosen: Chosen) -> Opening | None:
        """The receipt of this very choice, if the split was opened for it already."""
        frozen = chosen.frozen
        return next((one for one in self.openings if one["frozen"] == frozen), None)

    def begin(self, chosen: Chosen) -> None:
        """Puts on record that the split is about to be opened for this choice."""
        before = self.openings
        bare: dict[str, Any] = {
            "opened_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "trial": chosen.trial,
            "rule": chosen.rule,
            "why": chosen.why,
            "frozen": chosen.frozen,
            "fingerprints": dict(chosen.fingerprints),
        }
        seal = _checksum([before[-1]["seal"] if before else "", bare])
        self._write([*before, {**bare, "seal": seal}])

    def complete(self, chosen: Chosen, figures: Mapping[str, Any]) -> None:
        """Adds to this choice's receipt what the split said."""
        frozen = chosen.frozen
        self._write(
            [
                {**one, **_sealed(one, figures)} if one["frozen"] == frozen else one
                for one in self.openings
            ]
        )

    def _write(self, openings: Sequence[Opening]) -> None:
        write_atomically(self._path, REMARK + tomli_w.dumps({"opening": list(openings)}))


def _sealed(opening: Opening, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures, with a checksum that ties them to their receipt."""
    kept = dict(figures)
    return {"figures_seal": _checksum([opening["seal"], kept]), "figures": kept}


def _require_chain(openings: Sequence[Opening]) -> None:
    """Raises ValueError where a receipt is not what was written, or one before it is missing."""
    before = ""
    for one in openings:
        bare = {k: v for k, v in one.items() if k not in {"seal", "figures", "figures_seal"}}
        if one["seal"] != _checksum([before, bare]):
            raise ValueError(f"that of {one['opened_at']} does not fit")
        if "figures" in one and one != {**one, **_sealed(one, one["figures"])}:
            raise ValueError(f"the figures of {one['opened_at']} do not fit")
        before = one["seal"]


def _checksum(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
