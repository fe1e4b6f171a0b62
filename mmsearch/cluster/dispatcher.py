"""Which gang trains what: answers every report with the next order. No Ray in here.

A trial is trained in segments. A report is first written to the ledger, which answers with a
verdict; the gang then goes on, or takes the next trial: one that waits to be resumed, or a new
proposal. A gang with nothing to do waits, since a lost trial may need it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import time
from typing import Protocol

from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.messages import (
    Begin,
    Broken,
    Finish,
    Go,
    Order,
    Ready,
    Report,
    Save,
    Stretch,
)
from mmsearch.sampling import Ledger
from mmsearch.trial import (
    Completed,
    Ending,
    Loss,
    Observation,
    Segment,
    Stopped,
    Trial,
    Verdict,
    start_epoch,
)


class Listener(Protocol):
    """Follows a study while it runs: curves, the live view."""

    def began(self, trial: Trial) -> None:
        """A segment of this trial starts."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """Epochs were recorded, training curves included."""

    def ended(self, trial: Trial) -> None:
        """The trial reached its ending."""


class Dispatcher:
    """The state of the gangs, by gang name."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        out: Path,
        post: Callable[[str, Order], object],
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._ledger = ledger
        self._shelf = Shelf(out / "checkpoints")
        self._logs = out / "logs"
        self._post = post
        self._listeners = listeners
        self._nodes: dict[str, str] = {}
        self._training: dict[str, int] = {}
        self._idle: list[str] = []
        self._winding_down = False

    @property
    def winding_down(self) -> bool:
        """Whether gangs get no new trials any more."""
        return self._winding_down

    def reported(self, gang: str, report: Report) -> None:
        """Records a report and gives the gang its next order."""
        match report:
            case Ready(node):
                self._nodes[gang] = node
                self._next(gang)
            case Stretch():
                self._stretch(gang, report)
            case Broken(number, loss=loss):
                assert self._training.get(gang) == number
                self._lost(gang, loss)
                self._next(gang)

    def gone(self, gang: str) -> None:
        """A gang died as a whole: its trial is lost, and its successor will say `Ready`."""
        if gang in self._idle:
            self._idle.remove(gang)
        if gang in self._training:
            self._lost(gang)
            self._wake()

    def wind_down(self) -> None:
        """No new trials: gangs save what they train and finish. What runs can be resumed."""
        self._winding_down = True
        self._wake()

    def _stretch(self, gang: str, report: Stretch) -> None:
        number = report.number
        assert self._training.get(gang) == number
        verdict = self._ledger.observe(number, report.observations, checkpoint=report.checkpoint)
        trial = self._ledger.trial(number)
        if report.observations:
            for listener in self._listeners:
                listener.observed(trial, report.observations)
        if report.checkpoint:
            self._shelf.keep_only(report.checkpoint)
        if report.failed:
            self._end(gang, report.failed)
        elif report.finished:
            self._end(gang, Completed())
        elif verdict is Verdict.STOP:
            self._end(gang, Stopped(rung=max(trial.rungs)))
        elif not self._winding_down:
            self._post(gang, Go())
        elif self._saved(trial) or not report.observations:
            self._ledger.release(self._training.pop(gang))
            self._next(gang)
        else:
            self._post(gang, Save())

    @staticmethod
    def _saved(trial: Trial) -> bool:
        return trial.checkpoint is not None and trial.checkpoint.epoch == trial.epoch

    def _end(self, gang: str, ending: Ending) -> None:
        number = self._training.pop(gang)
        self._ledger.close(number, ending)
        self._after(number)
        self._next(gang)

    def _after(self, number: int) -> None:
        for listener in self._listeners:
            listener.ended(self._ledger.trial(number))
        self._shelf.tidy(self._ledger.record())

    def _lost(self, gang: str, loss: Loss = "lost") -> None:
        number = self._training.pop(gang)
        if not self._ledger.lost(number, loss):
            self._after(number)

    def _next(self, gang: str) -> None:
        trial = None if self._winding_down else self._candidate()
        if trial:
            self._begin(gang, trial)
        elif self._training and not self._winding_down:
            self._idle.append(gang)
        else:
            self._winding_down = True
            self._post(gang, Finish())
            self._wake()

    def _candidate(self) -> Trial | None:
        waiting = self._ledger.waiting()
        return waiting[0] if waiting else self._ledger.propose()

    def _wake(self) -> None:
        idle, self._idle = self._idle, []
        for gang in idle:
            self._next(gang)

    def _begin(self, gang: str, trial: Trial) -> None:
        start = start_epoch(trial.checkpoint)
        segment = Segment(self._nodes[gang], start_epoch=start, started_at=time())
        self._ledger.begin(trial.number, segment)
        self._training[gang] = trial.number
        for listener in self._listeners:
            listener.began(self._ledger.trial(trial.number))
        self._post(
            gang,
            Begin(
                number=trial.number,
                config=trial.config,
                seed=trial.seed,
                checkpoint=trial.checkpoint,
                folder=str(self._shelf.folder(trial.number)),
                log=str(self._logs / f"trial-{trial.number:04d}.log"),
            ),
        )
