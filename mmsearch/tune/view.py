"""The live view: how many trials, the incumbent, its lead over the published configuration."""

from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mmsearch.report import Summary, state_name, summary
from mmsearch.study import Study
from mmsearch.trial import Completed, Observation, Paused, Record, Trial, has_value

SHOWN = 5
"""Running trials that the live view lists."""


class View:
    """Listens to a study; draws on a terminal, prints a line an ending elsewhere."""

    def __init__(self, console: Console, study: Study, record: Callable[[], Record]) -> None:
        self._console = console
        self._study = study
        self._record = record
        self._started = monotonic()
        self._ended_before = self._ended = 0
        self._running: dict[int, Trial] = {}
        self._summary = summary(record())
        self._is_old = False
        # What the engines print must stay in their log, which rich would take it out of.
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._ended_before = self._ended = ended(self._summary)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def began(self, trial: Trial) -> None:
        """See `cluster.Listener`."""
        self._running[trial.number] = trial

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """See `cluster.Listener`."""
        if isinstance(trial.state, Paused):
            self._running.pop(trial.number, None)
        else:
            self._running[trial.number] = trial

    def ended(self, trial: Trial) -> None:
        """See `cluster.Listener`."""
        self._running.pop(trial.number, None)
        self._ended += 1
        self._is_old = True
        if not self._console.is_terminal:
            self._console.print(self._line(trial), markup=False, highlight=False, soft_wrap=True)

    def notice(self, reason: str) -> None:
        """Says that the search winds down."""
        text = (
            f"{reason}: saving what runs; Ctrl-C ends at once, the same command goes on either way"
        )
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _refresh(self) -> None:
        """Sums up the record, which takes time in proportion to its trials."""
        if self._is_old:
            self._summary, self._is_old = summary(self._record()), False

    def _line(self, trial: Trial) -> str:
        if self._may_lead(trial):
            self._refresh()
        budget = self._study.budget.trials
        parts = [
            f"{self._ended:>{len(str(budget))}}/{budget}",
            f"trial {trial.number} {state_name(trial.state)} after epoch {trial.epoch}",
        ]
        if has_value(trial):
            parts.append(f"{self._study.objective.metric} {trial.value:.4f}")
        parts.append(incumbent_line(self._summary))
        parts.append(f"{self._left()} left")
        return "  ".join(part for part in parts if part)

    def _may_lead(self, trial: Trial) -> bool:
        """Whether the incumbent, or its lead, may be another one now."""
        incumbent = self._summary.incumbent
        if not isinstance(trial.state, Completed) or trial.value is None:
            return False
        if trial.published or incumbent is None or incumbent.value is None:
            return True
        return not self._study.objective.better(incumbent.value, trial.value)

    def _left(self) -> str:
        done = self._ended - self._ended_before
        if not done:
            return "?"
        each = (monotonic() - self._started) / done
        return clock(each * (self._study.budget.trials - self._ended))

    def _draw(self) -> RenderableType:
        self._refresh()
        done, counts = self._ended, self._summary.counts
        budget = self._study.budget.trials
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(self._study.name, style="bold"),
            ProgressBar(total=budget, completed=done, width=40),
            f"{done}/{budget}",
            f"{clock(monotonic() - self._started)} gone, {self._left()} left",
        )
        states = Text.assemble(
            f"{len(self._running)} running, ",
            f"{counts['paused']} paused, " if counts["paused"] else "",
            (f"{counts['completed']} completed", "green"),
            f", {counts['stopped']} stopped, ",
            (f"{counts['failed']} failed", "red" if counts["failed"] else ""),
        )
        trials = Table.grid(padding=(0, 2))
        for trial in list(self._running.values())[:SHOWN]:
            value = f"{trial.value:.4f}" if has_value(trial) else "starting"
            epochs = f"epoch {trial.epoch}/{self._study.budget.max_epochs}"
            trials.add_row(f"  trial {trial.number}", epochs, value)
        return Group(grid, states, Text(incumbent_line(self._summary)), trials)


def ended(counts: Summary) -> int:
    """Trials that have their ending."""
    live = counts.counts["running"] + counts.counts["paused"]
    return sum(counts.counts.values()) - live


def incumbent_line(counts: Summary) -> str:
    """The incumbent and its lead over the published configuration, in one line; empty if none."""
    incumbent = counts.incumbent
    if incumbent is None or not has_value(incumbent):
        return ""
    line = f"incumbent {incumbent.value:.4f} (trial {incumbent.number})"
    if incumbent.published:
        return f"{line}: the published configuration"
    if counts.lead is None or counts.lead.relative is None:
        return line
    word = "better" if counts.lead.relative >= 0 else "worse"
    return f"{line}, {abs(counts.lead.relative):.1%} {word} than the published configuration"


def clock(seconds: float) -> str:
    """`4:05` or `1:04:05`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
