"""Runs a study on the machines: Ray Tune holds the gangs, the dispatcher says what they train."""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as Gangway
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from mmsearch.cluster import machines
from mmsearch.cluster.dispatcher import Dispatcher, Listener
from mmsearch.cluster.gang import Gang, Mailbox
from mmsearch.cluster.limits import Limits
from mmsearch.cluster.messages import Order
from mmsearch.cluster.shipping import pack
from mmsearch.datasets import SearchData
from mmsearch.errors import ClusterError, Problem
from mmsearch.sampling import Ledger

GANG_LOSSES = 3
"""Gangs that may die one after another, without a report, before the search gives up."""


@dataclass
class Interruption:
    """Why a search ends before its budget of trials: set by Ctrl-C or a limit, read by the loop."""

    reason: str | None = None


class _Unsaved:
    """Tune pickles its searcher and scheduler; these leave nothing: a ledger is resumed from."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Gangs(_Unsaved, Searcher):
    """Asks Tune for gangs: as many as there is room for, and a new one for one that died."""

    def __init__(self, wanted: Callable[[], int]) -> None:
        super().__init__()
        self._wanted = wanted
        self._names = (f"gang-{index:03d}" for index in count())
        self._live = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        wanted = self._wanted()
        if wanted == 0:
            return Searcher.FINISHED
        if self._live >= wanted:
            return None
        self._live += 1
        return {"gang": next(self._names)}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:  # noqa: FBT001, FBT002
        self._live -= 1

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, as above."""


class _Desk(_Unsaved, FIFOScheduler):
    """Hands what gangs report to the dispatcher; keeps an eye on limits between reports."""

    def __init__(
        self, dispatcher: Dispatcher, *, tick: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._tick = tick
        self._fail = fail
        self._losses = 0

    def on_trial_result(self, controller: Any, trial: Gangway, result: dict[str, Any]) -> str:
        self._losses = 0
        report = result.get("report")
        if report is not None:
            self._guarded(lambda: self._dispatcher.reported(trial.config["gang"], report))
        return TrialScheduler.STOP if result.get("done") else TrialScheduler.CONTINUE

    def on_trial_error(self, controller: Any, trial: Gangway) -> None:
        self._losses += 1
        self._guarded(lambda: self._dispatcher.gone(trial.config["gang"]))
        if self._losses >= GANG_LOSSES:
            self._fail(_gangs_die(trial))

    def choose_trial_to_run(self, controller: Any) -> Gangway | None:
        self._guarded(self._tick)
        return super().choose_trial_to_run(controller)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Tune wraps what its callbacks raise; the search raises the original afterwards."""
        try:
            action()
        except Exception as error:
            self._fail(error)
            raise


class _Failures(tune.Stopper):
    """What went wrong on our side of Tune's callbacks; ends all gangs with the first of it."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self.errors)

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


@dataclass(frozen=True)
class Site:
    """Where a study runs and where it leaves its files."""

    out: Path
    """The study's folder; on several machines it must be one that all of them see."""
    address: str | None = None
    """A running Ray cluster, or None for this machine alone."""


def search(
    ledger: Ledger,
    data: SearchData,
    *,
    site: Site,
    listeners: Sequence[Listener] = (),
    notice: Callable[[str], None] = lambda _: None,
) -> str | None:
    """Trains trials until the budget is used up, one of its limits is reached, or Ctrl-C.

    Args:
        ledger: the open record; whatever runs in it is resumed first.
        data: train and valid.
        site: where it runs.
        listeners: follow every trial.
        notice: told once why the search winds down, when it begins to.

    Returns:
        Why it ended early, or None when every trial of the budget has its ending.

    Raises:
        ClusterError: no machine for it.
        KeyboardInterrupt: a second Ctrl-C; what runs can be resumed from its last checkpoint.
    """
    machines.start(site.address)
    try:
        return _search(ledger, data, site, listeners, notice)
    finally:
        machines.stop()


def _search(
    ledger: Ledger,
    data: SearchData,
    site: Site,
    listeners: Sequence[Listener],
    notice: Callable[[str], None],
) -> str | None:
    room = machines.room(ledger.study.resources)
    limits = Limits(
        ledger.study,
        ledger.record(),
        gpus_per_trial=room.gpus_per_worker * ledger.study.resources.workers,
    )
    mailbox = Mailbox.remote()
    dispatcher = Dispatcher(
        ledger,
        out=site.out.resolve(),
        post=lambda gang, order: _post(mailbox, gang, order),
        listeners=(*listeners, limits),
    )
    interruption = Interruption()
    failures = _Failures()

    def tick() -> None:
        interruption.reason = interruption.reason or limits.reached()
        if interruption.reason and not dispatcher.winding_down:
            notice(interruption.reason)
            dispatcher.wind_down()

    def wanted() -> int:
        if dispatcher.winding_down:
            return 0
        return min(room.gangs, max(1, ledger.unfinished))

    desk = _Desk(dispatcher, tick=tick, fail=failures.errors.append)
    trainable = tune.with_parameters(
        Gang,
        study=ledger.study,
        parcel=[ray.put(pack(data))],
        mailbox=mailbox,
        gpus_per_worker=room.gpus_per_worker,
    )
    bundle = {"CPU": 1.0, "GPU": room.gpus_per_worker}
    workers = [bundle] * ledger.study.resources.workers
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([{}, *workers])),
        tune_config=tune.TuneConfig(
            search_alg=_Gangs(wanted), scheduler=desk, num_samples=-1, reuse_actors=False
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(site.out.resolve() / "logs"),
            stop=failures,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    with _environment(room.gangs), _interrupts(interruption):
        try:
            tuner.fit()
        except Exception as error:  # noqa: BLE001  ours, wrapped by Tune, or its own
            raise next(iter(failures.errors), error) from None
    if failures.errors:
        raise failures.errors[0]
    return interruption.reason


def _post(mailbox: Any, gang: str, order: Order) -> None:
    mailbox.put.remote(gang, order)


@contextmanager
def _environment(gangs: int) -> Generator[None]:
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


@contextmanager
def _interrupts(interruption: Interruption) -> Generator[None]:
    """The first Ctrl-C asks for an end in good order, the second ends at once."""

    def handle(_signum: int, _frame: FrameType | None) -> None:
        if interruption.reason == INTERRUPTED:
            raise KeyboardInterrupt
        interruption.reason = INTERRUPTED

    before = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


INTERRUPTED = "interrupted"
