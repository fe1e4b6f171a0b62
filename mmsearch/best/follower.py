"""Follows a race: a line for each replicate that ends."""

from collections.abc import Callable, Sequence

from rich.console import Console

from mmsearch.errors import SelectionError
from mmsearch.selection.choice import choose
from mmsearch.selection.contest import Contest
from mmsearch.trial import Completed, Failed, Observation, Trial, has_value


class Follower:
    """Listens to a race."""

    def __init__(self, console: Console, contest: Callable[[], Contest]) -> None:
        self._console = console
        self._contest = contest

    def began(self, trial: Trial) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """See `cluster.Listener`."""

    def ended(self, trial: Trial) -> None:
        """See `cluster.Listener`."""
        contest = self._contest()
        of = next(one for one in contest.candidates if trial in one.replicates)
        name = "published" if of is contest.published else f"trial {of.number}"
        line = f"  {name} seed {trial.seed.replicate}  {_came_to(trial)}"
        try:
            leader = choose(contest).best
        except SelectionError:
            leader = None
        if leader:
            line += f"  ahead: trial {leader.number}, {leader.best:.0%} likely the best"
        self.notice(f"{line}  {contest.spent:.0f} of {contest.budget:.0f} epochs")

    def notice(self, line: str) -> None:
        """Says something."""
        self._console.print(line)


def _came_to(trial: Trial) -> str:
    if isinstance(trial.state, Failed):
        return f"failed ({trial.state.reason}) after epoch {trial.epoch}"
    assert isinstance(trial.state, Completed)
    return f"{trial.value:.4f} at epoch {trial.value_epoch}" if has_value(trial) else "no value"
