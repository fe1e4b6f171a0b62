"""One study in an Optuna storage: its header, and the entries of its trials.

What a person wants to see in optuna-dashboard stands in user attributes and in Optuna's own fields
(parameters, state, value, intermediate values); the entries stand in system attributes, which the
dashboard leaves alone. Unusual: entries alone are the record. Optuna's own fields follow from them
and are brought up to date by `settle`, which may be repeated, so it does not matter between which
two writes a driver is killed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling import entries
from mmsearch.sampling.entries import Entry
from mmsearch.sampling.storage import failing, place_of
from mmsearch.trial import Completed, Direction, Failed, Running, Scalar, Stopped, Trial

SCHEMA = 1
"""Version of everything that is written here. Another one is refused."""
SCHEMA_KEY = "mmsearch_schema"
PREFIX = "mmsearch/"
DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}
STATES = {
    Completed: TrialState.COMPLETE,
    Stopped: TrialState.PRUNED,
    Failed: TrialState.FAIL,
}


@dataclass(frozen=True)
class Header:
    """What the record says of the study as a whole."""

    metric: str
    direction: Direction
    text: str
    """Resolved study file, TOML."""
    hash: str
    """SHA-256 of the text."""
    provenance: Mapping[str, Any]


HEADER = {"metric": str, "direction": str, "text": str, "hash": str, "provenance": dict}
"""What a header holds, by key."""


@dataclass(frozen=True)
class History:
    """A trial with what happened to it."""

    trial: Trial
    entries: tuple[Entry, ...]
    events: int
    """Events on record up to its last entry."""


class Book:
    """Reads and writes one study of a storage."""

    def __init__(self, url: str, storage: BaseStorage, name: str, study_id: int) -> None:
        self._url = url
        self._storage = storage
        self._name = name
        self._study_id = study_id
        self._trial_ids: list[int] = []

    @property
    def name(self) -> str:
        """Name of the study."""
        return self._name

    def begin(self, header: Header) -> None:
        """Writes the header; the schema's version comes last and makes it valid."""
        with failing(self._url, "written"):
            self._storage.set_study_system_attr(
                self._study_id, "study:metric_names", [header.metric]
            )
            for key, value in {**asdict(header), SCHEMA_KEY: SCHEMA}.items():
                self._storage.set_study_user_attr(self._study_id, key, value)

    def annotate(self, provenance: Mapping[str, Any]) -> None:
        """Replaces the provenance."""
        with failing(self._url, "written"):
            self._storage.set_study_user_attr(self._study_id, "provenance", provenance)

    def header(self) -> Header | None:
        """None if the study was never begun, or its first driver was killed before that.

        Raises:
            StorageError: not ours, of another schema version, or unreadable.
        """
        with failing(self._url, "read"):
            written = self._storage.get_study_user_attrs(self._study_id)
            trials = self._storage.get_n_trials(self._study_id)
        if SCHEMA_KEY not in written:
            if trials:
                raise self._error("was not written by mmsearch", "Use another --name or --storage.")
            return None
        if written[SCHEMA_KEY] != SCHEMA:
            rule = f"has schema version {written[SCHEMA_KEY]}, and this mmsearch reads {SCHEMA}"
            raise self._error(rule, "Use the version of mmsearch that wrote it.")
        wrong = [key for key, kind in HEADER.items() if not isinstance(written.get(key), kind)]
        if wrong or written["direction"] not in DIRECTIONS:
            rule = f"has a damaged header: {', '.join(wrong) or 'direction'} cannot be read"
            raise self._error(rule, "Restore it from a copy, or use another --name.")
        return Header(**{key: written[key] for key in HEADER})

    def histories(self) -> list[History]:
        """All trials, by number.

        Raises:
            StorageError: a trial that was not written by us.
        """
        with failing(self._url, "read"):
            trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        trials = sorted(trials, key=lambda trial: trial.number)
        self._trial_ids = [trial._trial_id for trial in trials]  # noqa: SLF001 - Optuna's key
        return [self._history(trial) for trial in trials]

    def create(
        self,
        trial: Trial,
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        """A new trial, in one write."""
        assert trial.number == len(self._trial_ids)
        assert trial.started_at is not None
        template = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.fromtimestamp(trial.started_at),
            datetime_complete=None,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs=entries.proposed(trial),
            system_attrs={},
            intermediate_values={},
        )
        with failing(self._url, "written"):
            self._trial_ids.append(self._storage.create_new_trial(self._study_id, template))

    def write(self, number: int, entry: Entry, *, event: int) -> None:
        """An entry, in one write."""
        content = {**entry.content, "event": event}
        with failing(self._url, "written"):
            self._storage.set_trial_system_attr(
                self._trial_ids[number], f"{PREFIX}{entry.key}", content
            )

    def settle(self, trial: Trial) -> None:
        """Brings Optuna's own fields of a trial up to date; nothing is written twice."""
        trial_id = self._trial_ids[trial.number]
        with failing(self._url, "written"):
            written = self._storage.get_trial(trial_id)
            if written.state.is_finished():
                return
            for epoch, value in _intermediate(trial).items():
                if epoch not in written.intermediate_values:
                    self._storage.set_trial_intermediate_value(trial_id, epoch, value)
            if isinstance(trial.state, Running):
                return
            for key, value in asdict(trial.state).items():
                if key not in written.user_attrs:
                    self._storage.set_trial_user_attr(trial_id, key, value)
            values = [trial.value] if isinstance(trial.state, Completed) else None
            self._storage.set_trial_state_values(trial_id, STATES[type(trial.state)], values)

    def _history(self, written: FrozenTrial) -> History:
        try:
            trial = entries.proposal(written.number, written.user_attrs)
            told = sorted(_entries(written), key=lambda pair: pair[0])
            for _, entry in told:
                trial = entries.applied(trial, entry)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            rule = f"has a trial {written.number} that was not written by mmsearch ({error!r})"
            raise self._error(rule, "Use another --name or --storage.") from error
        events = told[-1][0] + 1 if told else trial.seen + 1
        return History(trial, tuple(entry for _, entry in told), events)

    def _error(self, rule: str, way_out: str) -> StorageError:
        return StorageError(Problem(place_of(self._url), f"study {self._name!r} {rule}", way_out))


def shelve(url: str, storage: BaseStorage, name: str, direction: Direction) -> Book:
    """A new study in the storage, still without a header."""
    with failing(url, "written"):
        return Book(url, storage, name, storage.create_new_study([DIRECTIONS[direction]], name))


def books(url: str, storage: BaseStorage) -> list[Book]:
    """All studies of a storage."""
    with failing(url, "read"):
        return [
            Book(url, storage, study.study_name, study._study_id)  # noqa: SLF001 - Optuna's key
            for study in storage.get_all_studies()
        ]


def plain(value: Any) -> Any:
    """A value as it comes back from the record: tuples become lists."""
    return json.loads(json.dumps(value))


def _entries(written: FrozenTrial) -> Iterator[tuple[int, Entry]]:
    for key, content in written.system_attrs.items():
        if key.startswith(PREFIX):
            yield content["event"], Entry(key.removeprefix(PREFIX), content)


def _intermediate(trial: Trial) -> dict[int, float]:
    """What Optuna shows of a trial's course: its rungs, and its end if it completed."""
    values = dict(trial.rungs)
    if isinstance(trial.state, Completed) and trial.value is not None:
        values.setdefault(trial.epoch, trial.value)
    return values
