"""Runs a study on the machines: Ray Tune holds the gangs, the dispatcher says what they train."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmsearch.cluster import contact, limits, machines, nodes
from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.gang import Gang, Mailbox
from mmsearch.cluster.limits import Limits
from mmsearch.cluster.machines import Room
from mmsearch.cluster.places import Places
from mmsearch.cluster.pulse import PATIENCE
from mmsearch.cluster.shipping import pack
from mmsearch.cluster.troubles import Listener, Troubles
from mmsearch.cluster.tuning import Desk, Failures, Gangs, environment, run_config
from mmsearch.datasets import SearchData
from mmsearch.errors import ClusterError
from mmsearch.sampling import Ledger
from mmsearch.study import Study

INTERRUPTED = "interrupted"


@dataclass
class Interruption:
    """Why a search ends before its budget of trials: set by Ctrl-C or a limit, read by the loop."""

    reason: str | None = None


def _leave(error: ClusterError) -> None:
    print(*error.problems, sep="\n", file=sys.stderr, flush=True)
    os._exit(2)


@dataclass(frozen=True)
class Site:
    """Where a study runs and where it leaves its files."""

    out: Path
    """The study's folder; on several machines it must be one that all of them see."""
    address: str | None = None
    """A running Ray cluster, or None for this machine alone."""
    troubles: Troubles = field(default_factory=Troubles)
    """Hears what of the files there cannot be written."""
    leave: Callable[[ClusterError], None] = _leave
    """Ends the driver when its cluster is lost, in another thread than the one that searches: by
    then, nothing that needs Ray comes to an end."""


@contextmanager
def joined(site: Site, study: Study) -> Generator[Room]:
    """The machines, started or joined for as long as the context lasts, and what they hold.

    Raises:
        ClusterError: no machine for the study, or machines that cannot train it together.
    """
    machines.start(site.address)
    try:
        room = machines.room(study.resources)
        limits.check(study.budget, gpus_per_trial=room.gpus_per_worker * study.resources.workers)
        if site.address is not None:
            nodes.check(nodes.peers(room.gpus_per_worker), study, site.out)
        yield room
    finally:
        machines.stop()


def search(
    ledger: Ledger,
    data: SearchData,
    room: Room,
    *,
    site: Site,
    listeners: Sequence[Listener] = (),
    notice: Callable[[str], None] = lambda _: None,
) -> str | None:
    """Trains trials until the budget is used up, one of its limits is reached, or Ctrl-C.

    Args:
        ledger: the open record; whatever runs in it is resumed first.
        data: train and valid.
        room: what the machines that are `joined` hold.
        site: where it runs.
        listeners: follow every trial.
        notice: told once why the search winds down, when it begins to.

    Returns:
        Why it ended early, or None when every trial of the budget has its ending.

    Raises:
        KeyboardInterrupt: a second Ctrl-C; what runs can be resumed from its last checkpoint.
    """
    spent = Limits(
        ledger.study,
        ledger.record(),
        gpus_per_trial=room.gpus_per_worker * ledger.study.resources.workers,
    )
    asked = replace(ledger.study.resources, gpus_per_worker=room.gpus_per_worker)
    follow = partial(machines.room_now, asked) if site.address is not None else None
    places = Places(room, follow)
    # It goes with the driver, and not with another machine.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    mailbox: Any = Mailbox.options(scheduling_strategy=here).remote()
    mail = mailbox.carry.remote()
    dispatcher = Dispatcher(
        ledger,
        out=site.out.resolve(),
        gangs=places.gangs,
        post=mailbox.put.remote,
        listeners=(*listeners, spent),
        troubles=site.troubles,
    )
    interruption = Interruption()
    failures = Failures(lambda: dispatcher.finished)

    def tick() -> None:
        machines.check(mail)
        if places.look():
            dispatcher.resize(places.gangs)
        dispatcher.vacate(places.leaving)
        interruption.reason = interruption.reason or spent.reached()
        if interruption.reason and not dispatcher.winding_down:
            notice(interruption.reason)
            dispatcher.wind_down()

    def wanted() -> int:
        if dispatcher.winding_down:
            return 0
        return min(places.wanted, max(1, ledger.unfinished))

    trainable = tune.with_parameters(
        Gang,
        study=ledger.study,
        parcel=[ray.put(pack(data))],
        mailbox=mailbox,
        gpus_per_worker=room.gpus_per_worker,
        patience=PATIENCE,
    )
    worker = {"CPU": 1.0, "GPU": room.gpus_per_worker}
    bundles = [{}, *[worker] * ledger.study.resources.workers]
    with (
        tempfile.TemporaryDirectory(prefix="mmsearch-") as scratch,
        environment(places.wanted),
        _interrupts(interruption),
        contact.kept(contact.doors(attached=site.address is not None), site.leave),
    ):
        tuner = tune.Tuner(
            tune.with_resources(
                trainable,
                tune.PlacementGroupFactory(
                    bundles, strategy=ledger.study.resources.placement.upper()
                ),
            ),
            tune_config=tune.TuneConfig(
                search_alg=Gangs(wanted),
                scheduler=Desk(dispatcher, tick=tick, fail=failures.errors.append),
                num_samples=-1,
            ),
            run_config=run_config(Path(scratch), stop=failures),
        )
        try:
            tuner.fit()
        except Exception as error:  # noqa: BLE001  ours, wrapped by Tune, or its own
            raise next(iter(failures.errors), error) from None
    if failures.errors:
        raise failures.errors[0]
    return interruption.reason


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
