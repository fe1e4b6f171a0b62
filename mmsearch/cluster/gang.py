"""A gang: the Tune trial that keeps its workers warm and carries out the driver's orders.

Unusual: to Tune a trial is a gang, not a configuration. Tune finds a place for each gang on the
machines; which configuration it trains next comes by mail from the dispatcher, so that starting
one costs building a model and an engine, and nothing else. And where no verdict can come between
two short stretches, the second is under way while the first is reported.
"""

import asyncio
from collections import defaultdict
from dataclasses import replace
from time import monotonic
from typing import Any

import ray
from ray.tune import Trainable
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from mmsearch.cluster.messages import Begin, Broken, Finish, Go, Order, Ready, Report, Save, Stretch
from mmsearch.cluster.pace import Pace
from mmsearch.cluster.pulse import Patience, Vigil
from mmsearch.cluster.worker import ASIDE, GangWorker
from mmsearch.study import Study
from mmsearch.trial import Loss, start_epoch


class Hung(Exception):  # noqa: N818  a fault of the world or of a trial, not a mistake of use
    """A gang that does not move any more."""


@ray.remote(num_cpus=0)
class Mailbox:
    """Orders on their way to the gangs, by gang name."""

    def __init__(self) -> None:
        self._orders: defaultdict[str, asyncio.Queue[Order]] = defaultdict(asyncio.Queue)

    async def put(self, gang: str, order: Order) -> None:
        """Posts an order; one that the gang's dead predecessor never took is dropped."""
        await self._orders[gang].put(order)

    async def take(self, gang: str) -> Order:
        """Waits for the gang's next order."""
        return await self._orders[gang].get()

    async def carry(self) -> None:
        """Answers never: whoever gets an answer knows that there is no mail any more."""
        await asyncio.Event().wait()


class Gang(Trainable):
    """Leads the workers of one gang; needs no CPU of its own."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        study: Study,
        parcel: list[Any],
        mailbox: Any,
        gpus_per_worker: float,
        patience: Patience,
    ) -> None:
        """Remembers where the mail is; the workers are built in the first step.

        Args:
            config: `gang` is the gang's name.
            study: what is searched.
            parcel: reference to the packed data, in a list so that only workers fetch it.
            mailbox: handle of the `Mailbox`.
            gpus_per_worker: share of a GPU, or how many.
            patience: how long the workers may be still.
        """
        self._name: str = config["gang"]
        self._study = study
        (self._parcel,) = parcel
        self._mailbox = mailbox
        self._gpus = gpus_per_worker
        self._patience = patience
        self._workers: list[Any] = []
        self._under_way: list[Any] = []
        """Calls that train the next stretch already, by rank."""
        self._begin: Begin | None = None
        self._pace = Pace(
            rungs=study.scheduler.rungs(study.budget.max_epochs),
            max_epochs=study.budget.max_epochs,
        )
        self._announced = False
        self._spans = False

    def step(self) -> dict[str, Any]:
        """One order carried out, as a report."""
        if not self._announced:
            self._announced = True
            return {"report": self._assemble()}
        order = ray.get(self._mailbox.take.remote(self._name))
        if isinstance(order, Finish):
            return {"done": True}
        return {"report": self._carry_out(order)}

    def cleanup(self) -> None:
        """Ends the workers; a dead gang is killed, not asked."""
        for worker in self._workers:
            ray.kill(worker)
        self._workers, self._under_way = [], []

    def _carry_out(self, order: Begin | Go | Save) -> Report:
        if isinstance(order, Begin):
            self._take_up(order)
        assert self._begin is not None
        try:
            stretch = self._save() if isinstance(order, Save) else self._train(order)
            while stretch.again and not isinstance(order, Save):
                order = self._thriftier()
                stretch = self._train(order)
        except (ray.exceptions.RayError, Hung) as error:
            self.cleanup()
            if (self._spans and _loss(error) == "lost") or not self._is_placed():
                # A machine may be gone, which Ray notices later: Tune finds another place.
                raise
            return Broken(self._begin.number, str(error), _loss(error))
        # What cannot be saved now goes on later, from the checkpoint before.
        return replace(stretch, failed=None, again=False) if stretch.again else stretch

    def _take_up(self, begin: Begin) -> None:
        assert not self._under_way
        self._begin = begin
        self._pace.begin(start_epoch(begin.checkpoint))

    def _thriftier(self) -> Begin:
        """The trial at hand once more, from its last checkpoint, with the next plan.

        Where workers are several, what one had sent when memory ran out on another may still be
        under way, and would meet what is sent next; so they are started anew.
        """
        assert self._begin is not None
        if self._study.resources.workers > 1:
            self.cleanup()
        self._take_up(replace(self._begin, thrift=self._begin.thrift + 1))
        return self._begin

    def _save(self) -> Stretch:
        """Saves, after the stretch that is under way if there is one, unless that is the last."""
        before = self._train(Go(), ahead=False) if self._under_way else None
        if before and (before.finished or before.failed):
            return before
        saved = self._train(Save(), ahead=False)
        if not before:
            return saved
        troubles = (*before.troubles, *saved.troubles)
        return replace(saved, observations=before.observations, troubles=troubles)

    def _train(self, order: Begin | Go | Save, *, ahead: bool = True) -> Stretch:
        """One stretch: the one that is under way, or one that begins now; and begins the next."""
        if not self._workers:
            self._assemble()
        calls, self._under_way = self._under_way or self._asked(order), []
        stretch, save_seconds = self._summed(self._answers(calls, until_one_fails=True))
        if stretch.checkpoint:
            assert self._begin is not None
            self._begin = replace(self._begin, checkpoint=stretch.checkpoint, thrift=0)
        self._pace.trained(stretch.observations)
        if save_seconds:
            self._pace.saved(monotonic(), seconds=save_seconds)
        ended = stretch.finished or stretch.failed
        if ahead and self._pace.needs_no_answer and not ended:
            self._under_way = self._asked(Go())
        return stretch

    def _asked(self, order: Begin | Go | Save) -> list[Any]:
        save = isinstance(order, Save) or self._pace.saving_is_due(monotonic())
        return self._calls("carry_out", order, until=self._pace.until(), save=save)

    @staticmethod
    def _summed(replies: list[Any]) -> tuple[Stretch, float]:
        """What came of a stretch, of what its workers say, and the seconds that saving took."""
        stretch, save_seconds = replies[0]
        faults = [reply for reply, _ in replies if reply.failed]
        if faults:
            # Where memory ran out on one, the others may tell of what that did to them.
            first = next((fault for fault in faults if fault.again), faults[0])
            told = {"failed": first.failed, "again": first.again}
            stretch = replace(stretch, finished=False, checkpoint=None, **told)
        return stretch, save_seconds

    def _assemble(self) -> Ready:
        """Starts the workers and joins them; says which machines they are on."""
        self._workers = self._started()
        hosts = self._all("host")
        (_, address, port, node), *others = hosts
        self._spans = any(other[3] != node for other in others)
        self._all("join", f"tcp://{address}:{port}")
        names = ", ".join(dict.fromkeys(name for name, *_ in hosts))
        return Ready(names, frozenset(host[3] for host in hosts))

    def _started(self) -> list[Any]:
        remote = ray.remote(concurrency_groups={ASIDE: 1})(GangWorker).options(
            num_cpus=1,
            num_gpus=self._gpus,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                ray.util.get_current_placement_group()
            ),
        )
        return [
            remote.remote(self._study, self._parcel, rank=rank, patience=self._patience)
            for rank in range(self._study.resources.workers)
        ]

    def _all(self, method: str, *arguments: Any) -> list[Any]:
        """What every worker answers, by rank; see `_answers`."""
        return self._answers(self._calls(method, *arguments))

    def _calls(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        return [getattr(w, method).remote(*arguments, **keywords) for w in self._workers]

    def _answers(self, calls: list[Any], *, until_one_fails: bool = False) -> list[Any]:
        """Waits for every worker; a trial's fault on one, or a hang, ends the wait for the others.

        A worker that returns early because its part of the batch failed leaves the others in a
        collective for ever, so they are ended with it; the next order builds the gang anew.

        Raises:
            Hung: no worker has moved for too long.
        """
        replies: dict[int, Any] = {}
        waiting = list(calls)
        vigil = Vigil(self._patience, now=monotonic())
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1, timeout=self._patience.look_s)
            if not done:
                self._look(vigil)
                continue
            rank = calls.index(done[0])
            replies[rank] = ray.get(done[0])
            if waiting and until_one_fails and replies[rank][0].failed:
                done, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=10.0)
                if waiting:
                    self.cleanup()
                    return [replies[rank]]
                replies |= {calls.index(call): ray.get(call) for call in done}
        return [replies[rank] for rank in range(len(calls))]

    def _look(self, vigil: Vigil) -> None:
        """Feels the pulses of a gang that does not answer."""
        calls = [worker.pulse.remote() for worker in self._workers]
        done, _ = self._wait(calls)
        vigil.hear({calls.index(call): ray.get(call) for call in done}, now=monotonic())
        if vigil.still_too_long(monotonic()):
            self._wait([worker.say_where.remote() for worker in self._workers])
            raise Hung(f"no worker of {self._name} moves")

    def _wait(self, calls: list[Any]) -> tuple[list[Any], list[Any]]:
        """For answers that come at once, or not at all where a thread lets no other run."""
        return ray.wait(calls, num_returns=len(calls), timeout=self._patience.look_s)

    def _is_placed(self) -> bool:
        """Whether all machines of its place are there; Ray would mend it elsewhere, unasked."""
        place = ray.util.placement_group_table(ray.util.get_current_placement_group())
        return place["state"] == "CREATED"


def _loss(error: Exception) -> Loss:
    if isinstance(error, Hung):
        return "hang"
    return "oom" if isinstance(error, ray.exceptions.OutOfMemoryError) else "lost"
