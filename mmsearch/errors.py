"""The exception tree: every mistake a user can make, as data with a message that helps.

    MmsearchError
    ├── StudyError         mistakes in a study file or an override: all of them, at once
    ├── DataError          files of a dataset that are absent or wrong
    ├── StorageError       a record that cannot be opened, read or written
    ├── ConflictError      a study that contradicts the one on record under its name
    ├── TrainingError      a setting that DeepSpeed or the method cannot take
    ├── ClusterError       machines that cannot give what the study asks for
    └── SelectionError     a choice that cannot be made, or a test split that stays sealed

Unusual: our own bugs are `assert`; what the world does to a trial (node lost, disk full, out of
memory) ends that trial as `trial.Failed` and raises nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

LONGEST = 200
"""Characters of a library's message that are told."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what rule it breaks, what was found, and a way out."""

    place: str
    """File, table and key, for example `study.toml [space] learning_rate`."""
    rule: str
    """What was expected and what was found instead, without a full stop."""
    way_out: str = ""
    """One sentence that says what to do, with a full stop; empty where the rule says it."""

    def __str__(self) -> str:
        text = f"{self.place}: {self.rule}.{' ' + self.way_out if self.way_out else ''}"
        return " ".join(text.splitlines())


class MmsearchError(Exception):
    """Root of all users' mistakes; the command line prints it, no traceback, and exits with 2."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class StudyError(MmsearchError):
    """A study file or an override is wrong; `problems` holds every mistake that was found."""


class DataError(MmsearchError):
    """A dataset's files are absent, damaged or of another layout."""


class StorageError(MmsearchError):
    """A record cannot be opened, read or written."""


class ConflictError(MmsearchError):
    """What is asked for contradicts the study on record."""


class TrainingError(MmsearchError):
    """A setting that the training engine or the method cannot take."""


class ClusterError(MmsearchError):
    """The machines at hand cannot give what the study asks for."""


class SelectionError(MmsearchError):
    """What is asked for cannot be chosen, or the test split is not opened for it."""


def reason_of(error: BaseException) -> str:
    """What a library raised, as part of a rule: its kind and the first line of what it says."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if len(first) > LONGEST:
        first = f"{first[:LONGEST]}..."
    return f"{type(error).__name__}: {first}".rstrip(".: ")


def words_of(error: OSError) -> str:
    """What the system says of its error, without number and file."""
    return error.strerror or str(error)


def closest(name: str, known: Sequence[str]) -> str:
    """`Did you mean 'x'?` for a misspelt name, or the known names when none is close."""
    matches = get_close_matches(name, known, n=1, cutoff=0.6)
    if matches:
        return f"Did you mean {matches[0]!r}?"
    return f"Known: {', '.join(sorted(known))}." if known else ""
