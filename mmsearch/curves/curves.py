"""Curves of a study: one run a trial, right after every crash and resume.

Unusual: what the record knows decides. Points that a killed sitting drew beyond the record are
withdrawn, points that it did not get to draw are drawn from the record, points of epochs that are
trained again keep the values on record. No file stays open between calls, so nothing is lost with
the process, nothing needs closing and any number of trials can run.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from mmsearch.curves import events, hparams
from mmsearch.study import Study
from mmsearch.trial import Observation, Record, Trial, start_epoch


@dataclass
class _Run:
    """One trial's curves in this sitting."""

    known: dict[int, Observation]
    """Observations by epoch, those on record first."""
    due: list[Observation]
    """To be drawn, unless they are drawn already."""
    path: Path | None = None
    """Event file to append to; None when there is none yet, or a write to it failed."""
    epoch: int = 0
    """Last epoch drawn."""


@dataclass(frozen=True)
class _Past:
    """What earlier sittings left in a trial's folder, as readers show it."""

    points: dict[int, Event]
    """By epoch."""
    started: bool
    """Whether the trial has its row in the HParams tab."""
    ended: bool
    """Whether the row says how the trial ended."""


class Curves:
    """Event files of a study under `folder`, one run `trial-0007` for each trial.

    A trial's run holds every metric it observes against epochs, `objective` (its value so far)
    and `objective/epochs`. The HParams tab has a row for each trial from the moment it begins.

    Args:
        folder: created when the first trial begins.
        study: gives the objective and the parameters.
        metrics: `valid/...` metrics that every trial observes, in the order of the columns.
    """

    def __init__(self, folder: Path, study: Study, *, metrics: Sequence[str]) -> None:
        self._folder = folder
        self._study = study
        self._metrics = tuple(metrics)
        self._domains = dict(hparams.domains(study.space))
        self._described = any(map(_describes, sorted(folder.glob("trial-*"))))
        self._runs: dict[int, _Run] = {}

    def began(self, trial: Trial) -> None:
        """A trial starts or goes on; `trial.observations` are those that the record holds.

        Raises:
            OSError: the disk does not take it; it is drawn with what comes next.
        """
        known = {observation.epoch: observation for observation in trial.observations}
        resumed_at = start_epoch(trial.checkpoint)
        due = [o for o in trial.observations if o.epoch <= resumed_at]
        self._runs[trial.number] = _Run(known, due)
        self._draw(trial)

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """Draw epochs of a trial that has begun; epochs that are drawn already are passed over.

        Raises:
            OSError: the disk does not take it; it is drawn with what comes next.
        """
        run = self._runs[trial.number]
        for observation in observations:
            run.known.setdefault(observation.epoch, observation)
        run.due += observations
        self._draw(trial)

    def ended(self, trial: Trial) -> None:
        """A trial has its ending; may be said again, and of trials of an earlier sitting.

        Raises:
            OSError: the disk does not take it; `catch_up` draws it.
        """
        assert trial.ended, f"trial {trial.number} has no ending"
        if trial.number not in self._runs:
            if _read(self._folder_of(trial)).ended:
                return
            self.began(trial)
        self.observed(trial, trial.observations)
        end = hparams.end_summary(trial.state, ended_at=trial.ended_at or time.time())
        self._append(self._runs[trial.number], [events.metadata(end)])
        del self._runs[trial.number]

    def catch_up(self, record: Record) -> None:
        """Draw endings that are on record, and that a killed sitting or a full disk left out.

        The columns of the HParams tab become those of the study's newest generation.
        """
        self._describe_anew()
        for trial in record.trials:
            if trial.ended:
                self.ended(trial)

    def _draw(self, trial: Trial) -> None:
        run = self._runs[trial.number]
        if run.path is None:
            self._open(trial, run)
        points: list[Event] = []
        epoch = run.epoch
        for observation in run.due:
            if observation.epoch > epoch:
                epoch = observation.epoch
                metrics = {**observation.metrics, **run.known[epoch].metrics}
                standing = self._standing(run.known, epoch)
                points.append(events.scalars({**metrics, **standing}, epoch=epoch))
        self._append(run, points)
        run.epoch, run.due = epoch, []

    def _open(self, trial: Trial, run: _Run) -> None:
        """A new event file for a trial that starts or goes on, or whose last file is torn."""
        folder = self._folder_of(trial)
        past = _read(folder)
        kept = max((epoch for epoch in past.points if epoch <= trial.epoch), default=0)
        # Some readers drop later points on a restart, others on a repeated step: hence both.
        opening = [events.restart(max(kept, 1))]
        if past.ended:  # With more epochs a completed trial goes on.
            events.amend(folder, lambda e: None if hparams.has_ended(e.summary) else e)
        if not self._described:
            opening.append(events.metadata(self._columns()))
        if not past.started:
            row = hparams.start_summary(self._domains, trial.coordinates, started_at=time.time())
            opening.append(events.metadata(row))
        if kept:
            opening.append(past.points[kept])
        run.path, run.epoch = events.create(folder, opening), kept
        self._described = True

    @staticmethod
    def _append(run: _Run, more: Sequence[Event]) -> None:
        """Appends; what a write that fails leaves must stay the last of its file."""
        path, run.path = run.path, None
        assert path is not None
        events.append(path, more)
        run.path = path

    def _columns(self) -> Summary:
        return hparams.study_summary(self._domains, self._study.objective, self._metrics)

    def _describe_anew(self) -> None:
        columns = self._columns()

        def changed(event: Event) -> Event:
            told = hparams.describes(event.summary) and event.summary != columns
            return events.metadata(columns) if told else event

        for folder in sorted(self._folder.glob("trial-*")):
            if _describes(folder):
                events.amend(folder, changed)
                return

    def _folder_of(self, trial: Trial) -> Path:
        return self._folder / f"trial-{trial.number:04d}"

    def _standing(self, known: Mapping[int, Observation], epoch: int) -> dict[str, float]:
        """A trial's value at an epoch, and that epoch."""
        value = self._study.objective.at(tuple(known[e] for e in sorted(known)), epoch)
        assert value is not None, f"nothing is known of epoch {epoch}"
        return {hparams.OBJECTIVE: value[0], hparams.EPOCHS: float(epoch)}


def _describes(folder: Path) -> bool:
    """Whether the study's columns are told in this run's folder."""
    return any(hparams.describes(event.summary) for event in events.read(folder))


def _read(folder: Path) -> _Past:
    points: dict[int, Event] = {}
    started = ended = False
    for event in events.read(folder):
        if events.is_restart(event):
            points = {epoch: point for epoch, point in points.items() if epoch < event.step}
        elif event.step > 0:
            points[event.step] = event
        started = started or hparams.has_started(event.summary)
        ended = ended or hparams.has_ended(event.summary)
    return _Past(points, started, ended)
