"""What was observed of a training so far, in a file: an interrupted one goes on from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmsearch.report.files import write_atomically
from mmsearch.trial import Observation

NAME = "curve.json"


@dataclass
class Curve:
    """Observations by epoch, and what they were made under.

    Only those that were made under the very same are gone on from.
    """

    folder: Path
    under: Mapping[str, Any]
    """Plain data: configuration, seed, conditions."""
    observations: list[Observation]
    finished: bool = False

    @classmethod
    def at(cls, folder: Path, under: Mapping[str, Any]) -> "Curve":
        """What the folder holds, if it was made under the same; else nothing yet."""
        plain = json.loads(json.dumps(under))
        try:
            kept = json.loads((folder / NAME).read_text(encoding="utf-8"))
            if kept["under"] == plain:
                seen = [Observation(**one) for one in kept["observations"]]
                return cls(folder, plain, seen, finished=kept["finished"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return cls(folder, plain, [])

    def add(self, observation: Observation) -> None:
        """One epoch more; those from it on that a killed sitting saw are forgotten."""
        self.observations[observation.epoch - 1 :] = [observation]
        self.write()

    def finish(self) -> None:
        """Nothing follows."""
        self.finished = True
        self.write()

    def write(self) -> None:
        """Puts all of it into the file.

        Raises:
            OSError: it cannot be written; an earlier one stays as it was.
        """
        document = {
            "under": self.under,
            "finished": self.finished,
            "observations": [asdict(one) for one in self.observations],
        }
        write_atomically(self.folder / NAME, json.dumps(document) + "\n")
