"""How fast the workers of a gang reduce their gradients, which is what spanning nodes costs."""

from time import perf_counter

import torch
from torch import distributed

from mmsearch.training.worker import Worker, join

REPEATS = 3


def all_reduce_speed(worker: Worker, *, init_method: str, megabytes: float = 16.0) -> float:
    """Joins the gang as for training, sums a tensor over it, and says how fast that was.

    Args:
        worker: who this process is.
        init_method: where the gang meets, as for `join`.
        megabytes: 10^6 bytes of the tensor.

    Returns:
        Megabytes of the tensor a second, of the fastest of some sums.

    Raises:
        AssertionError: the sum is wrong.
    """
    join(worker, init_method=init_method)
    values = torch.empty(round(megabytes * 1e6 / 4), device=worker.device)
    seconds: list[float] = []
    for _ in range(1 + REPEATS):
        values.fill_(worker.rank + 1.0)
        distributed.barrier()
        started = perf_counter()
        distributed.all_reduce(values)
        seconds.append(perf_counter() - started)
        expected = worker.world_size * (worker.world_size + 1) / 2
        assert bool((values == expected).all()), "the workers' sum is wrong"
    return megabytes / min(seconds[1:])
