"""What the doctor found: a level, a place, what is there, and the remedy."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmsearch.errors import Problem

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    level: Level
    place: str
    """A machine, a file, or what lies between machines."""
    found: str
    """What is there, without a full stop."""
    remedy: str = ""
    """What to do, as sentences; empty where all is well."""

    @classmethod
    def of(cls, problem: Problem) -> "Finding":
        """A user's mistake as a finding."""
        return cls("error", problem.place, problem.rule, problem.way_out)

    def __str__(self) -> str:
        text = (
            f"{self.level:8} {self.place}: {self.found}{f'. {self.remedy}' if self.remedy else ''}"
        )
        return " ".join(text.splitlines())

    def table(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
