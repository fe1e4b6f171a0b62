"""What of a study's files cannot be written: the user is told once, and the search goes on.

The record is not among them: without it, nothing that is trained counts.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from mmsearch.errors import words_of
from mmsearch.trial import Observation, Trial


class Listener(Protocol):
    """Follows a study while it runs: curves, the live view."""

    def began(self, trial: Trial) -> None:
        """A segment of this trial starts."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """Epochs were recorded, training curves included."""

    def ended(self, trial: Trial) -> None:
        """The trial reached its ending."""


class Troubles:
    """Of one sitting."""

    def __init__(self, tell: Callable[[str], object] = lambda _: None) -> None:
        self._tell = tell
        self._told: dict[str, str] = {}

    @property
    def told(self) -> tuple[str, ...]:
        """What the user was told, in order."""
        return tuple(self._told.values())

    def __contains__(self, what: str) -> bool:
        return what in self._told

    def add(self, what: str, why: str) -> None:
        """Something cannot be written; of each thing the first trouble is told."""
        if what not in self._told:
            self._told[what] = f"{what} cannot be written ({why}); the search goes on without"
            self._tell(self._told[what])

    def say(self, text: str) -> None:
        """Tells the user what passes, and is no trouble in the end."""
        self._tell(text)

    @contextmanager
    def allowed(self, what: str) -> Generator[None]:
        """What is written in here may fail for want of a disk."""
        try:
            yield
        except OSError as error:
            self.add(what, words_of(error))

    def around(self, listener: Listener, what: str) -> Listener:
        """The listener, whose files may fail."""
        return _Allowed(listener, what, self)


class _Allowed:
    def __init__(self, listener: Listener, what: str, troubles: Troubles) -> None:
        self._listener = listener
        self._what = what
        self._troubles = troubles

    def began(self, trial: Trial) -> None:
        with self._troubles.allowed(self._what):
            self._listener.began(trial)

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        with self._troubles.allowed(self._what):
            self._listener.observed(trial, observations)

    def ended(self, trial: Trial) -> None:
        with self._troubles.allowed(self._what):
            self._listener.ended(trial)
