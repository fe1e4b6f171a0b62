"""One study in an Optuna storage: its header, and the entries of its trials.

What a person wants to see in optuna-dashboard stands in user attributes and in Optuna's own fields
(parameters, state, value, intermediate values); the entries stand in system attributes, which the
dashboard leaves alone. Unusual: entries alone are the record. Optuna's own fields follow from them
and are brought up to date by `settle`, which may be repeated, so it does not matter between which
two writes a driver is killed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mmsearch.errors import Problem, StorageError
from mmsearch.sampling import entries
from mmsearch.sampling.entries import Entry
from mmsearch.sampling.failures import RESTORE
from mmsearch.sampling.seal import SEAL, require, seal
from mmsearch.sampling.storage import Store
from mmsearch.trial import Completed, Direction, Failed, Paused, Running, Scalar, Stopped, Trial

SCHEMA = 1
"""Version of everything that is written here. Another one is refused."""
SCHEMA_KEY = "mmsearch_schema"
PREFIX = "mmsearch/"
CONTINUES = "continues"
"""Marks a generation of a study with the name of the one before, whose record it copies."""
CONTINUED_BY = "continued_by"
"""Marks the generation before in turn."""
DASHBOARD = "dashboard:"
"""Under this optuna-dashboard keeps its own."""
REPEATED = ("checkpoint", "attempts", "promoted")
"""Entries of which a trial may have several under one name."""
DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}
STATES = {
    Running: TrialState.RUNNING,
    Paused: TrialState.RUNNING,
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


@dataclass(frozen=True)
class History:
    """A trial with what happened to it."""

    bare: Trial
    """As it was proposed."""
    trial: Trial
    entries: tuple[Entry, ...]
    proposed: int
    """Event of its proposal."""
    events: int
    """Events on record up to its last entry."""


class Book:
    """Reads and writes one study of a storage."""

    def __init__(self, store: Store, name: str, study_id: int) -> None:
        self._store = store
        self._name = name
        self._study_id = study_id
        self._trial_ids: list[int] = []
        self._written: list[int] = []

    @property
    def name(self) -> str:
        """Name of the study in Optuna, where it says the generation from the second one on."""
        return self._name

    def begin(self, header: Header) -> None:
        """Writes the header; the schema's version comes last and makes it valid."""
        with self._store.writing() as storage:
            storage.set_study_system_attr(self._study_id, "study:metric_names", [header.metric])
            storage.set_study_system_attr(self._study_id, SEAL, [seal(asdict(header))])
            for key, value in {**asdict(header), SCHEMA_KEY: SCHEMA}.items():
                storage.set_study_user_attr(self._study_id, key, value)

    def revise(self, header: Header, *, before: Header) -> None:
        """Writes what a sitting changed in the header; may be repeated after a kill."""
        values = {key: getattr(header, key) for key in ("provenance", "text", "hash")}
        changed = {key: v for key, v in values.items() if v != getattr(before, key)}
        if not changed:
            return
        stages = [before]
        for key, value in changed.items():
            stages.append(replace(stages[-1], **{key: value}))
        with self._store.writing() as storage:
            # Whatever of it is written when a driver is killed, one of the seals is that of it.
            seals = [seal(asdict(stage)) for stage in stages]
            storage.set_study_system_attr(self._study_id, SEAL, seals)
            for key, value in changed.items():
                storage.set_study_user_attr(self._study_id, key, value)

    def mark(self, key: str, name: str) -> None:
        """Writes a link to another generation, for a person to see in optuna-dashboard."""
        with self._store.writing() as storage:
            storage.set_study_user_attr(self._study_id, key, name)

    def marked(self, key: str) -> bool:
        """Whether there is such a link."""
        with self._store.reading() as storage:
            return key in storage.get_study_user_attrs(self._study_id)

    def discard(self) -> None:
        """Removes the study with its trials."""
        with self._store.writing() as storage:
            storage.delete_study(self._study_id)

    def header(self) -> Header | None:
        """None if the study was never begun, or the driver was killed before that.

        Raises:
            StorageError: not ours, of another schema version, or unreadable.
        """
        with self._store.reading() as storage:
            try:
                # Trials first: those of a generation that is being made follow its mark.
                trials = storage.get_n_trials(self._study_id)
                written = storage.get_study_user_attrs(self._study_id)
                sealed = storage.get_study_system_attrs(self._study_id).get(SEAL)
            except KeyError:  # Half a generation, and its driver has just begun it anew.
                return None
        if SCHEMA_KEY not in written:
            if trials and CONTINUES not in written:
                raise self._error("was not written by mmsearch", "Use another --name or --storage.")
            return None
        if written[SCHEMA_KEY] != SCHEMA:
            rule = f"has schema version {written[SCHEMA_KEY]}, and this mmsearch reads {SCHEMA}"
            raise self._error(rule, "Use the version of mmsearch that wrote it.")
        try:
            header = Header(**{key: written[key] for key in Header.__dataclass_fields__})
            require(sealed, asdict(header))
        except (LookupError, ValueError) as error:
            raise self._error(f"is damaged ({error!r})", RESTORE) from error
        return header

    def histories(self) -> list[History]:
        """All trials, by number.

        Raises:
            StorageError: a trial that was not written by us.
        """
        with self._store.reading() as storage:
            trials = storage.get_all_trials(self._study_id, deepcopy=False)
        trials = sorted(trials, key=lambda trial: trial.number)
        self._trial_ids = [trial._trial_id for trial in trials]  # noqa: SLF001 - Optuna's key
        histories = [self._history(trial) for trial in trials]
        self._written = [len(history.entries) for history in histories]
        return histories

    def create(
        self,
        trial: Trial,
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        *,
        event: int,
        told: Sequence[Entry] = (),
    ) -> None:
        """A trial that is new, or that comes with its entries from elsewhere, in one write."""
        assert trial.number == len(self._trial_ids)
        assert trial.started_at is not None
        content = {**entries.proposed(trial), "event": event}
        sealed = [_sealed(trial.number, nth, entry) for nth, entry in enumerate(told)]
        template = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=STATES[type(trial.state)],
            value=None,
            values=_values(trial),
            datetime_start=datetime.fromtimestamp(trial.started_at),
            datetime_complete=datetime.fromtimestamp(trial.ended_at) if trial.ended_at else None,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs={**content, **asdict(trial.state)},
            system_attrs={SEAL: [seal(trial.number, content)], **dict(sealed)},
            intermediate_values=_intermediate(trial),
        )
        with self._store.writing() as storage:
            trial_id = storage.create_new_trial(self._study_id, template)
            number = storage.get_trial_number_from_id(trial_id)
        if number != trial.number:
            raise self._error(f"got a trial from somebody else, number {number - 1}", RESTORE)
        self._trial_ids.append(trial_id)
        self._written.append(len(told))

    def write(self, number: int, entry: Entry, *, event: int) -> None:
        """An entry, in one write."""
        told = Entry(entry.key, {**entry.content, "event": event})
        key, content = _sealed(number, self._written[number], told)
        with self._store.writing() as storage:
            storage.set_trial_system_attr(self._trial_ids[number], key, content)
        self._written[number] += 1

    def settle(self, trial: Trial) -> None:
        """Brings Optuna's own fields of a trial up to date; nothing is written twice."""
        trial_id = self._trial_ids[trial.number]
        with self._store.writing() as storage:
            written = storage.get_trial(trial_id)
            if written.state.is_finished():
                return
            for epoch, value in _intermediate(trial).items():
                if epoch not in written.intermediate_values:
                    storage.set_trial_intermediate_value(trial_id, epoch, value)
            if not trial.ended:
                return
            for key, value in asdict(trial.state).items():
                if key not in written.user_attrs:
                    storage.set_trial_user_attr(trial_id, key, value)
            storage.set_trial_state_values(trial_id, STATES[type(trial.state)], _values(trial))

    def _history(self, written: FrozenTrial) -> History:
        try:
            bare = trial = entries.proposal(written.number, written.user_attrs)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            rule = f"has a trial {written.number} that was not written by mmsearch ({error!r})"
            raise self._error(rule, "Use another --name or --storage.") from error
        try:
            content = {**entries.proposed(trial), "event": written.user_attrs.get("event")}
            require(written.system_attrs.get(SEAL), trial.number, content)
            told = _entries(written)
            for _, entry in told:
                trial = entries.applied(trial, entry)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._error(f"has a damaged trial {trial.number} ({error!r})", RESTORE) from error
        if written.state.is_finished() and not trial.ended:
            raise self._error(f"has a damaged trial {trial.number} (no ending)", RESTORE)
        proposed = written.user_attrs.get("event", trial.seen)
        events = (told[-1][0] if told else proposed) + 1
        return History(bare, trial, tuple(entry for _, entry in told), proposed, events)

    def _error(self, rule: str, way_out: str) -> StorageError:
        return StorageError(Problem(self._store.place, f"study {self._name!r} {rule}", way_out))


def shelve(store: Store, name: str, direction: Direction) -> Book:
    """A new study in the storage, still without a header."""
    with store.writing() as storage:
        return Book(store, name, storage.create_new_study([DIRECTIONS[direction]], name))


def books(store: Store) -> list[Book]:
    """All studies of a storage."""
    with store.reading() as storage:
        return [
            Book(store, study.study_name, study._study_id)  # noqa: SLF001 - Optuna's key
            for study in storage.get_all_studies()
        ]


def plain(value: Any) -> Any:
    """A value as it comes back from the record: tuples become lists."""
    return json.loads(json.dumps(value))


def _sealed(number: int, nth: int, entry: Entry) -> tuple[str, dict[str, Any]]:
    """An entry as it is written: under a key of its own, so that a missing one is noticed."""
    key = f"{entry.key}/{nth}" if entry.key in REPEATED else entry.key
    content = {**entry.content, "nth": nth}
    return f"{PREFIX}{key}", {**content, "seal": [seal(number, key, content)]}


def _entries(written: FrozenTrial) -> list[tuple[int, Entry]]:
    """A trial's entries with their events, in order.

    Raises:
        LookupError, TypeError, ValueError: one is damaged or missing, or is something else.
    """
    told: list[tuple[int, Entry]] = []
    for name, content in written.system_attrs.items():
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX)
            bare = {k: v for k, v in content.items() if k != "seal"}
            require(content.get("seal"), written.number, key, bare)
            told.append((bare["event"], Entry(key, bare)))
        elif name != SEAL and not name.startswith(DASHBOARD):
            raise LookupError(name)
    told.sort(key=lambda pair: pair[0])
    for nth, (_, entry) in enumerate(told):
        if entry.content.get("nth", nth) != nth:
            raise LookupError(f"entry {nth}")
    return told


def _values(trial: Trial) -> list[float] | None:
    """What Optuna shows as the value of a trial: of a completed one alone."""
    completed = isinstance(trial.state, Completed) and trial.value is not None
    return [trial.value] if completed else None


def _intermediate(trial: Trial) -> dict[int, float]:
    """What Optuna shows of a trial's course: its rungs, and its end if it completed."""
    values = dict(trial.rungs)
    if isinstance(trial.state, Completed) and trial.value is not None:
        values.setdefault(trial.epoch, trial.value)
    return values
