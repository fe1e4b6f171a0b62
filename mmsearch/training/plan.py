"""How a trial lies in memory: its ZeRO stage, its micro-batches, where the optimiser's state is.

A plan is a resource, never a hyperparameter: whichever is followed, a step has the same gradients,
but for rounding, and for how dropout's noise falls on the examples of a batch that is cut.
Unusual: what a forward pass keeps is not known before it runs. Where it is too much, memory runs
out in the first batches, and the trial is taken up again with the next thriftier plan.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mmsearch.methods.base import Method
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.worker import Worker

HIGHEST = 3
"""Of ZeRO's stages."""


@dataclass(frozen=True)
class Plan:
    """One way to lay a trial out."""

    stage: int
    """ZeRO stage: what the workers of a gang share out among themselves."""
    micro_batch: int
    """Most examples that go through the network at once, on one worker."""
    offload: bool = False
    """Whether the optimiser's state lies in the machine's memory instead of the GPU's."""

    def __str__(self) -> str:
        offloaded = ", the optimiser's state off the GPU" if self.offload else ""
        return f"ZeRO stage {self.stage}, micro-batches of {self.micro_batch}{offloaded}"

    def of(self, study: Study) -> Study:
        """The study, asking DeepSpeed for this plan."""
        zero = dict(study.deepspeed.get("zero_optimization", {}))
        if self.stage != settings.stage(study):
            zero["stage"] = self.stage
        if self.offload and not settings.offloads(study):
            zero["offload_optimizer"] = {"device": "cpu"}
        return replace(study, deepspeed={**study.deepspeed, "zero_optimization": zero})

    def continues(self, other: "Plan") -> bool:
        """Whether a checkpoint that was written under the other plan is loaded under this one."""
        return (self.stage, self.offload) == (other.stage, other.offload)


@dataclass(frozen=True)
class Thrift:
    """How sparing with memory a trial is to be."""

    steps: int = 0
    """How many plans are passed over, each of which was too much before."""
    since: Plan | None = None
    """Plan to begin with: that of the checkpoint that the trial goes on from."""


@dataclass(frozen=True)
class Plans:
    """What a trial is trained with, and what may be tried instead when memory runs out."""

    known: tuple[Plan, ...]
    """Each takes less memory and more time than the one before."""
    index: int = 0

    @property
    def current(self) -> Plan:
        """The plan that is followed."""
        return self.known[self.index]

    @property
    def tried(self) -> tuple[Plan, ...]:
        """Those up to the current one."""
        return self.known[: self.index + 1]

    @property
    def thriftier(self) -> Plan | None:
        """The next one; None after the last."""
        return self.known[self.index + 1] if self.index + 1 < len(self.known) else None


def choose(
    study: Study,
    method: Method,
    worker: Worker,
    *,
    rows: int,
    thrift: Thrift,
    fits: Callable[[Plan], bool],
) -> Plans:
    """The plans of a trial; all workers of a gang come to the same ones.

    A trial begins as the study's `[deepspeed]` has it, with batches in one piece, or with the first
    stage above whose states fit; one that goes on begins with its checkpoint's plan. Then batches
    are cut in halves, and after that more is shared out.

    Args:
        study: as it was asked for; its stage is never gone below.
        method: as it is configured.
        worker: who asks.
        rows: examples of the largest batch, over all workers.
        thrift: how many plans were too much already, and since which.
        fits: whether weights, gradients and the optimiser's state fit under a plan.
    """
    whole = -(-rows // worker.world_size)
    asked = Plan(settings.stage(study), whole, settings.offloads(study))
    states = (asked, *_sharing(asked, study, method, worker))
    start = thrift.since or next((plan for plan in states if fits(plan)), states[-1])
    cut = (start, *_cutting(start, method))
    known = (*cut, *_sharing(cut[-1], study, method, worker))
    return Plans(known, min(thrift.steps, len(known) - 1))


def _cutting(start: Plan, method: Method) -> Iterator[Plan]:
    """Plans with smaller micro-batches, for a method that cannot tell."""
    rows = start.micro_batch
    while rows > 1 and method.whole_batch_reason() is None:
        rows = -(-rows // 2)
        yield replace(start, micro_batch=rows)


def _sharing(start: Plan, study: Study, method: Method, worker: Worker) -> Iterator[Plan]:
    """Plans of higher stages and, on a GPU, with the optimiser's state off it.

    One worker has nobody to share with: above stage 0 it would only keep copies.
    """
    highest = HIGHEST if worker.world_size > 1 else start.stage
    stages = [replace(start, stage=stage) for stage in range(start.stage + 1, highest + 1)]
    if worker.device.type == "cuda" and not start.offload:
        stages.append(replace(start, stage=max(highest, 1), offload=True))
    for plan in stages:
        if not any(settings.stage_problems(plan.of(study), method)):
            yield plan
