"""Which gang trains what: answers every report with the next order. No Ray in here.

A trial is trained in segments. A report is first written to the ledger, which answers with a
verdict; the gang then goes on, or takes the next trial that waits. A gang with nothing to do waits,
since a lost trial may need it.

Unusual: a new trial is proposed, or a paused one promoted, when there are fewer live ones than
gangs, at the start and after each ending, pause or rung, and not when a gang asks for one. Nothing
else can change the answer, so a driver that starts again finds nothing to do; and what is proposed
depends on the order of observations and endings alone, not on when gangs come up, are lost or come
back.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import time

from mmsearch.cluster.checkpoints import Shelf, bar
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
from mmsearch.cluster.troubles import Listener, Troubles
from mmsearch.disks import Disk
from mmsearch.sampling import Ledger
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Ending,
    Loss,
    Paused,
    Segment,
    Stopped,
    Trial,
    Verdict,
    incumbent,
    start_epoch,
)


class Dispatcher:
    """The state of the gangs, by gang name."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        out: Path,
        gangs: int,
        post: Callable[[str, Order], object],
        listeners: Sequence[Listener] = (),
        troubles: Troubles | None = None,
    ) -> None:
        self._ledger = ledger
        self._gangs = gangs
        self._shelf = Shelf(out / "checkpoints")
        self._logs = out / "logs"
        self._post = post
        self._listeners = listeners
        self._troubles = troubles or Troubles()
        self._disk = Disk(out, self._troubles.say)
        self._nodes: dict[str, Ready] = {}
        self._leaving: frozenset[str] = frozenset()
        self._training: dict[str, int] = {}
        self._saving: dict[str, int] = {}
        self._idle: list[str] = []
        self._winding_down = False
        self._incumbent = incumbent(ledger.trials, ledger.direction)
        self._propose()
        self._ledger.prepare()

    @property
    def winding_down(self) -> bool:
        """Whether gangs get no new trials any more."""
        return self._winding_down

    @property
    def finished(self) -> bool:
        """Whether no gang has anything left to do."""
        return self._winding_down and not (self._training or self._saving)

    def resize(self, gangs: int) -> None:
        """Nodes have come or gone: from now on there are to be as many live trials as this."""
        self._gangs = gangs
        if not self._winding_down:
            self._propose()
        self._ledger.prepare()

    def reported(self, gang: str, report: Report) -> None:
        """Records a report and gives the gang its next order; waits for a disk that is away."""
        self._disk.wait()
        match report:
            case Ready():
                self._nodes[gang] = report
                self._next(gang)
            case Stretch():
                self._stretch(gang, report)
            case Broken() if gang in self._saving:
                self._let_go(gang)
            case Broken(number, loss=loss):
                assert self._training.get(gang) == number
                self._lost(gang, loss)
                self._next(gang)
        self._ledger.prepare()

    def gone(self, gang: str) -> None:
        """A gang died as a whole: its trial is lost, and its successor will say `Ready`."""
        self._disk.wait()
        if gang in self._idle:
            self._idle.remove(gang)
        if gang in self._saving:
            self._ledger.release(self._saving.pop(gang))
            self._wake()
        if gang in self._training:
            self._lost(gang)
            self._wake()

    def wind_down(self) -> None:
        """No new trials: gangs save what they train and finish. What runs can be resumed."""
        self._winding_down = True
        self._wake()

    def vacate(self, nodes: frozenset[str]) -> None:
        """These machines are to be taken away: gangs there save what they train, and end.

        Their trials go on elsewhere; that is no attempt of theirs.
        """
        if nodes != self._leaving:
            self._leaving = nodes
            self._wake()

    def _is_leaving(self, gang: str) -> bool:
        return bool(self._nodes[gang].ids & self._leaving)

    def _stretch(self, gang: str, report: Stretch) -> None:
        for trouble in report.troubles:
            self._troubles.add(trouble.what, trouble.why)
        if gang in self._saving:
            self._let_go(gang, report.checkpoint)
            return
        assert self._training.get(gang) == report.number
        ending = report.failed or (Completed() if report.finished else None)
        rungs = self._ledger.trial(report.number).rungs
        verdict = self._recorded(report, ending)
        trial = self._ledger.trial(report.number)
        if ending:
            self._end(gang, ending)
        elif verdict is Verdict.STOP:
            self._end(gang, Stopped(rung=max(trial.rungs)))
        elif verdict is Verdict.PAUSE:
            self._pause(gang, trial)
        else:
            self._go_on(gang, trial, told=bool(report.observations))
            if trial.rungs != rungs:
                self._propose()

    def _go_on(self, gang: str, trial: Trial, *, told: bool) -> None:
        if not (self._winding_down or self._is_leaving(gang)):
            self._post(gang, Go())
        elif self._saved(trial) or not told:
            self._ledger.release(self._training.pop(gang))
            self._next(gang)
        else:
            self._post(gang, Save())

    def _recorded(self, report: Stretch, ending: Ending | None) -> Verdict:
        saved = self._shelf.recorded(report.checkpoint) if report.checkpoint else None
        verdict = self._ledger.observe(
            report.number, report.observations, checkpoint=saved, ending=ending
        )
        if report.observations:
            for listener in self._listeners:
                listener.observed(self._ledger.trial(report.number), report.observations)
        if report.checkpoint:
            self._shelf.keep_only(report.checkpoint)
        return verdict

    def _pause(self, gang: str, trial: Trial) -> None:
        """The trial is live no more; its gang saves it before it takes another."""
        self._saving[gang] = self._training.pop(gang)
        self._propose()
        if self._saved(trial):
            self._let_go(gang)
        else:
            self._post(gang, Save())

    def _let_go(self, gang: str, checkpoint: Checkpoint | None = None) -> None:
        """The paused trial is saved, or cannot be; it may have been promoted or ended meanwhile."""
        number = self._saving.pop(gang)
        if self._ledger.trial(number).ended:
            self._tidy()
        elif checkpoint:
            self._ledger.observe(number, (), checkpoint=self._shelf.recorded(checkpoint))
            self._shelf.keep_only(checkpoint)
        self._ledger.release(number)
        self._next(gang)

    @staticmethod
    def _saved(trial: Trial) -> bool:
        return trial.checkpoint is not None and trial.checkpoint.epoch == trial.epoch

    def _end(self, gang: str, ending: Ending) -> None:
        number = self._training.pop(gang)
        self._ledger.close(number, ending)
        self._after(number)
        self._next(gang)

    def _after(self, number: int) -> None:
        self._ended(number)
        best = [self._incumbent] if self._incumbent else []
        self._incumbent = incumbent([*best, self._ledger.trial(number)], self._ledger.direction)
        self._tidy()
        self._propose()

    def _ended(self, number: int) -> None:
        for listener in self._listeners:
            listener.ended(self._ledger.trial(number))

    def _propose(self) -> None:
        """Promotes or proposes until there is a live trial for each gang, or nothing is left."""
        self._dismiss(self._ledger.dismissed())
        while self._ledger.running < self._gangs:
            if not (self._ledger.promote() or self._ledger.propose()):
                break
        if not self._ledger.running:
            self._dismiss(self._ledger.paused())
        if self._ledger.waiting():
            self._wake()

    def _tidy(self) -> None:
        self._shelf.tidy(self._ledger.trials, self._incumbent)

    def _dismiss(self, paused: Sequence[Trial]) -> None:
        """Stops paused trials that are not to be promoted any more."""
        for trial in paused:
            assert isinstance(trial.state, Paused)
            self._ledger.close(trial.number, Stopped(trial.state.rung))
            self._ended(trial.number)
        if paused:
            self._tidy()

    def _lost(self, gang: str, loss: Loss = "lost") -> None:
        number = self._training.pop(gang)
        if not self._ledger.lost(number, loss):
            self._after(number)

    def _next(self, gang: str) -> None:
        waiting = () if self._winding_down else self._ledger.waiting()
        if self._is_leaving(gang) and not self._winding_down:
            self._post(gang, Finish())
            self._wake()
        elif waiting:
            self._begin(gang, waiting[0])
        elif (self._training or self._saving) and not self._winding_down:
            self._idle.append(gang)
        else:
            self._winding_down = True
            self._post(gang, Finish())
            self._wake()

    def _wake(self) -> None:
        idle, self._idle = self._idle, []
        for gang in idle:
            self._next(gang)

    def _begin(self, gang: str, trial: Trial) -> None:
        checkpoint = self._shelf.find(trial.checkpoint) if trial.checkpoint else None
        start = start_epoch(checkpoint)
        segment = Segment(self._nodes[gang].node, start_epoch=start, started_at=time())
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
                checkpoint=checkpoint,
                folder=str(self._shelf.folder(trial.number)),
                log=str(self._logs / f"trial-{trial.number:04d}.log"),
                # A machine that ran out of memory ends the gang, which can then say nothing.
                thrift=trial.attempts if trial.loss == "oom" else 0,
                bar=bar(trial, self._incumbent),
            ),
        )
