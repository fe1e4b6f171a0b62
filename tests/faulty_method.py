"""A method that does what it is told to go wrong; a study names this file's copy.

Beside the copy lies `plan.json`, a list of deeds: which trial (told by its learning rate), in which
epoch, on which worker, and what. A worker does a deed once, in a batch; one that it does `always`
it does in the trial's next attempt as well. Without a plan the method is sound.
"""

import itertools
import json
import os
import resource
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any

import psutil
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, distributed, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import mean_of_steps
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained

HERE = Path(__file__).parent
PLAN = HERE / "plan.json"


class Faulty(Method):
    """Classification by one linear layer, with noise."""

    class Config(MethodConfig):
        """One number tells trials apart."""

        batch_size: int = Field(150, ge=1)
        learning_rate: float = Field(1e-2, gt=0.0)

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        self.config = config
        self.names = tuple(task.modalities)
        self.layer = nn.Linear(sum(task.modalities.values()), task.outputs)
        self.dropout = nn.Dropout(0.2)

    def forward(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        vectors = [mean_of_steps(batch.inputs[name], batch.lengths[name]) for name in self.names]
        return self.layer(self.dropout(torch.cat(vectors, dim=1))).float()

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        loss = nn.functional.cross_entropy(self(batch), batch.target)
        for index, deed in enumerate(json.loads(PLAN.read_text()) if PLAN.exists() else []):
            due = (deed["rate"], deed["epoch"]) == (self.config.learning_rate, progress.epoch)
            if due and is_mine(deed) and is_first(index, deed):
                loss = DEEDS[deed["what"]](loss)
        return {"task": loss}

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("all", trained([self]), self.config.learning_rate)]


def is_mine(deed: dict[str, Any]) -> bool:
    return deed.get("rank", distributed.get_rank()) == distributed.get_rank()


def is_first(index: int, deed: dict[str, Any]) -> bool:
    """Whether this worker has not done the deed yet; what is done leaves a file."""
    done = HERE / f"deed-{index}.rank-{distributed.get_rank()}"
    first = not done.exists()
    done.touch()
    return first or deed.get("always", False)


def die(_: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def kill_gang(_: Tensor) -> Tensor:
    """Kills the leader, the other workers, and itself last."""
    raylet = psutil.Process().parent()
    gang = [p for p in raylet.children() if "ray::" in "".join(p.cmdline()) and "Gang" in p.name()]
    for process in sorted(gang, key=lambda p: p.pid == os.getpid()):
        process.kill()
    raise AssertionError


def run_out(loss: Tensor) -> Tensor:
    """Leaks until this process may have no more memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + 200 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    leak: list[Tensor] = []
    try:
        while True:
            leak.append(loss.new_ones(2**20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fail(_: Tensor) -> Tensor:
    raise ValueError("the loss has no such term")


def sleep(_: Tensor) -> Tensor:
    while True:
        time.sleep(3600)


def wait(loss: Tensor) -> Tensor:
    time.sleep(1.2)
    return loss


def loop(loss: Tensor) -> Tensor:
    """Never ends as the loss is not negative, and lets no other thread of the process run."""
    deque(itertools.repeat(loss), maxlen=0 if loss.item() >= 0 else None)
    raise AssertionError


def freeze(loss: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGSTOP)
    return loss


DEEDS = {
    "die": die,
    "kill the gang": kill_gang,
    "be NaN": lambda loss: loss * float("nan"),
    "run out of memory": run_out,
    "fail": fail,
    "sleep": sleep,
    "wait": wait,
    "loop": loop,
    "freeze": freeze,
}
