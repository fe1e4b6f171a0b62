"""The memory at hand, and whether a trial's states fit into it: weights, gradients, Adam's moments.

Unusual: what a forward pass keeps for its backward pass is not reckoned with, since only a method
knows; states that fit are no promise, states that do not fit are out of the question.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import distributed

from mmsearch.methods.base import Method, ParameterGroup
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.front import Front
from mmsearch.training.plan import Plan
from mmsearch.training.worker import Worker

FLOAT32 = 4
"""Bytes of a number."""


@dataclass(frozen=True)
class Weights:
    """How many weights a trial has, and what they take."""

    trained: int
    fixed: int
    width: int = FLOAT32
    """Bytes of one in the forward pass."""

    def state_bytes(self, plan: Plan, *, world_size: int) -> float:
        """What one worker holds under a plan besides activations, once the first step is taken."""

        def held(size: int, *, shared_from: int) -> float:
            return size / (world_size if plan.stage >= shared_from else 1)

        # Above stage 0 the optimiser steps copies of its own.
        copies = 2 if plan.stage == 0 else 3
        optimizer = 0.0
        if not plan.offload:
            optimizer = held(copies * FLOAT32 * self.trained, shared_from=1)
        gradients = held(self.width * self.trained, shared_from=2)
        return optimizer + gradients + held(self.width * (self.trained + self.fixed), shared_from=3)


def weights(study: Study, method: Method, under: Front) -> Weights:
    """Of a method and the networks that learn along under it."""
    trained = _number(method.parameter_groups()) + _number(under.parameter_groups())
    everything = [*method.parameters(), *under.parameters()]
    fixed = sum(parameter.numel() for parameter in everything) - trained
    return Weights(trained, fixed, settings.dtype(study).itemsize)


def at_hand(worker: Worker) -> int | None:
    """Bytes that the worker of the gang with least may still take; None where no limit is known.

    Called by all workers of a gang, since all must come to the same plan.
    """
    if worker.device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(worker.device)
    taken = torch.cuda.memory_allocated(worker.device)
    cached = torch.cuda.memory_reserved(worker.device) - taken
    own = int(worker.memory_share * total) - taken
    least = torch.tensor([min(free + cached, own)], dtype=torch.int64, device=worker.device)
    if worker.world_size > 1:
        distributed.all_reduce(least, op=distributed.ReduceOp.MIN)
    return int(least)


def fitting(weights: Weights, worker: Worker, limit: int | None) -> Callable[[Plan], bool]:
    """Whether states fit under a plan, into so many bytes; without a limit all do."""

    def fits(plan: Plan) -> bool:
        needed = weights.state_bytes(plan, world_size=worker.world_size)
        return limit is None or needed <= limit

    return fits


def _number(groups: Iterable[ParameterGroup]) -> int:
    return sum(parameter.numel() for group in groups for parameter in group.parameters)
