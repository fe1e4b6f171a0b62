"""Who I am in my gang, and how its processes find each other: gloo on CPUs, NCCL on GPUs.

Unusual: DeepSpeed is imported here and in `engine` when it is first needed, never at the top of a
module, so that checking a study and printing help stay quick.
"""

import gc
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import distributed

CPU = torch.device("cpu")


def unheard() -> None:
    """The pulse of a worker that nobody watches."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that train a trial together."""

    rank: int = 0
    """0-based, over the whole gang."""
    world_size: int = 1
    """Workers of the gang."""
    device: torch.device = CPU
    """Where this worker computes; a GPU carries its index among those the process sees."""
    memory_share: float = 1.0
    """How much of the GPU's memory this process may take; what it asks beyond that is out of
    memory, for this trial alone."""
    threads: int = 1
    """Threads of one operation on the CPU: part of what makes a curve repeatable."""
    pulse: Callable[[], None] = unheard
    """Called after all that is computed at once, in training and evaluation: a sign that this
    process goes on."""


def join(worker: Worker, *, init_method: str) -> None:
    """Brings the gang's process group up; once per process, before the first `Trainer`.

    Also pins the threads, so that the same seed gives the same sums, and imports what the first
    optimiser would: torch's compiler, two seconds long. Returns when all workers of the gang are
    there. A process stays on the kind of device it joined with.

    Args:
        worker: who this process is.
        init_method: where the gang meets: `tcp://host:port` or `file:///path`, unused before and
            there until the gang has left.
    """
    assert not joined(), "a process joins one gang at a time"
    torch.set_num_threads(worker.threads)
    _announce(worker)
    if worker.device.type == "cuda":
        torch.cuda.set_device(worker.device)
        torch.cuda.set_per_process_memory_fraction(worker.memory_share, worker.device)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    import deepspeed
    from deepspeed.ops import __compatible_ops__
    from torch import _dynamo  # noqa: F401

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # Compiling the shared-memory operator takes minutes and leaves a lock behind when killed.
    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(
        dist_backend="nccl" if worker.device.type == "cuda" else "gloo",
        auto_mpi_discovery=False,
        verbose=False,
        init_method=init_method,
        rank=worker.rank,
        world_size=worker.world_size,
    )


def joined() -> bool:
    """Whether this process is in a gang."""
    return distributed.is_available() and distributed.is_initialized()


def leave() -> None:
    """Takes the process group down; a gang with a dead member is killed instead, as this waits."""
    from deepspeed import comm

    comm.destroy_process_group()
    gc.unfreeze()


def _announce(worker: Worker) -> None:
    """Tells DeepSpeed, which reads the environment, what kind of device and which rank this is."""
    os.environ["DS_ACCELERATOR"] = worker.device.type
    os.environ["RANK"] = str(worker.rank)
    os.environ["WORLD_SIZE"] = str(worker.world_size)
    os.environ["LOCAL_RANK"] = str(worker.device.index or 0)
