"""What may end a search before its budget of trials: GPU-hours and wall time."""

from collections.abc import Sequence
from time import monotonic

from mmsearch.errors import ClusterError, Problem
from mmsearch.study import Budget, Study
from mmsearch.trial import Observation, Record, Trial


def check(budget: Budget, *, gpus_per_trial: float) -> None:
    """Whether each limit can be reached.

    Raises:
        ClusterError: GPU-hours are limited, and no trial uses a GPU.
    """
    if budget.gpu_hours is not None and not gpus_per_trial:
        rule = f"trials train on no GPU and never use any up, got {budget.gpu_hours:g}"
        way_out = "Use --deadline or wall_hours, or a machine with GPUs."
        raise ClusterError(Problem("[budget] gpu_hours", rule, way_out))


class Limits:
    """Listens to a study and says when a limit of its budget is reached."""

    def __init__(self, study: Study, record: Record, *, gpus_per_trial: float) -> None:
        self._budget = study.budget
        self._gpus = gpus_per_trial
        self._gpu_seconds = sum(trial.train_seconds for trial in record.trials) * self._gpus
        self._started = monotonic()

    def began(self, trial: Trial) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """See `cluster.Listener`."""
        self._gpu_seconds += self._gpus * sum(o.train_seconds for o in observations)

    def ended(self, trial: Trial) -> None:
        """See `cluster.Listener`."""

    def reached(self) -> str | None:
        """Which limit is reached, or None."""
        gpu_hours, wall_hours = self._budget.gpu_hours, self._budget.wall_hours
        if gpu_hours is not None and self._gpu_seconds / 3600 >= gpu_hours:
            return f"{gpu_hours:g} GPU-hours are spent"
        if wall_hours is not None and (monotonic() - self._started) / 3600 >= wall_hours:
            return "the deadline is reached"
        return None
