"""Ray Tune's side of a search: it asks for gangs, hands on what they report, and is kept quiet."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as Gangway
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Stretch
from mmsearch.errors import ClusterError, Problem

GANG_LOSSES = 3
"""Gangs that may die one after another, without having trained, before the search gives up."""


class _Unsaved:
    """Tune pickles its searcher and scheduler; these leave nothing: a ledger is resumed from."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Gangs(_Unsaved, Searcher):
    """Asks Tune for gangs: as many as there is room for, and a new one for one that died."""

    def __init__(self, wanted: Callable[[], int]) -> None:
        super().__init__()
        self._wanted = wanted
        self._names = (f"gang-{index:03d}" for index in count())
        self._live = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A gang for Tune to place, if one is wanted."""
        wanted = self._wanted()
        if wanted == 0:
            return Searcher.FINISHED
        if self._live >= wanted:
            return None
        self._live += 1
        return {"gang": next(self._names)}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:  # noqa: FBT001, FBT002
        """A gang finished or died."""
        self._live -= 1

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, as above."""


class Desk(_Unsaved, FIFOScheduler):
    """Hands what gangs report to the dispatcher; keeps an eye on limits between reports."""

    def __init__(
        self, dispatcher: Dispatcher, *, tick: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._tick = tick
        self._fail = fail
        self._losses = 0
        self._proven: set[str] = set()
        """Gangs that have trained: what they die of is no fault of how they are started."""

    def on_trial_result(self, controller: Any, trial: Gangway, result: dict[str, Any]) -> str:
        """A gang reported."""
        self._losses = 0
        report = result.get("report")
        if isinstance(report, Stretch):
            self._proven.add(trial.config["gang"])
        if report is not None:
            self._guarded(lambda: self._dispatcher.reported(trial.config["gang"], report))
        return TrialScheduler.STOP if result.get("done") else TrialScheduler.CONTINUE

    def on_trial_error(self, controller: Any, trial: Gangway) -> None:
        """A gang died."""
        self._losses += trial.config["gang"] not in self._proven
        self._guarded(lambda: self._dispatcher.gone(trial.config["gang"]))
        if self._losses >= GANG_LOSSES:
            self._fail(_gangs_die(trial))

    def choose_trial_to_run(self, controller: Any) -> Gangway | None:
        """Tune asks this several times a second."""
        self._guarded(self._tick)
        return super().choose_trial_to_run(controller)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Tune wraps what its callbacks raise; the search raises the original afterwards."""
        try:
            action()
        except Exception as error:
            self._fail(error)
            raise


class Failures(tune.Stopper):
    """What went wrong on our side of Tune's callbacks; ends all gangs with the first of it.

    Or when all is done: a gang that Ray has no place for would be waited for without end.
    """

    def __init__(self, finished: Callable[[], bool] = lambda: False) -> None:
        self.errors: list[Exception] = []
        self._finished = finished

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No gang is ended by what it reports."""
        return False

    def stop_all(self) -> bool:
        """Whether to end all gangs."""
        return bool(self.errors) or self._finished()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _gangs_die(trial: Gangway) -> ClusterError:
    reason = str(trial.get_error() or "no reason known").strip().splitlines()[-1]
    return ClusterError(
        Problem(
            "gangs",
            f"{GANG_LOSSES} gangs died one after another before they could train ({reason})",
            "Look at the logs under the study's folder and at `ray status`.",
        )
    )


def run_config(folder: Path, *, stop: Failures) -> tune.RunConfig:
    """Tune writes little, below this folder, and no checkpoints: those are the workers'.

    Nothing reads what it writes, and it ends a search where it cannot write: so the folder is not
    the study's, whose disk may be full.
    """
    return tune.RunConfig(
        name="tune",
        storage_path=str(folder),
        stop=stop,
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        verbose=0,
    )


@contextmanager
def environment(gangs: int) -> Generator[None]:
    """Tune's own settings, which it takes from the environment."""
    ours = {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "86400",
        "TUNE_MAX_PENDING_TRIALS_PG": str(gangs),
        "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "60",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
