"""Toy data for tests of methods, and a toy gang of two workers in two threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData, TargetTransform, Task
from mmsearch.methods.base import Method, Progress

WIDTHS = {"text": 12, "audio": 7, "vision": 9}


def toy_data(
    modalities: Sequence[str] = ("text", "audio", "vision"),
    *,
    num_train: int = 64,
    num_valid: int = 16,
    steps: int = 5,
    seed: int = 0,
) -> SearchData:
    """Sequences of odd lengths that carry their target, plus noise; every eighth target is 0."""
    generator = torch.Generator().manual_seed(seed)
    directions = {name: torch.randn(WIDTHS[name], generator=generator) for name in modalities}

    def split(rows: int) -> Batch:
        target = (6 * torch.rand(rows, generator=generator) - 3).round(decimals=1)
        target[::8] = 0.0
        lengths = {
            name: torch.randint(1, steps + 1, (rows,), generator=generator) for name in modalities
        }
        inputs = {}
        for name, direction in directions.items():
            noise = 0.5 * torch.randn(rows, steps, WIDTHS[name], generator=generator)
            real = torch.arange(steps) < lengths[name].unsqueeze(1)
            inputs[name] = (target[:, None, None] * direction + noise) * real.unsqueeze(2)
        return Batch(inputs, lengths, target, torch.arange(rows))

    train, valid = split(num_train), split(num_valid)
    task = Task(
        dataset="toy",
        modalities={name: WIDTHS[name] for name in modalities},
        loss_family="regression",
        transform=TargetTransform(),
        bound=3.0,
        metrics="mosi",
        train_target=train.target,
        balance="balanced",
    )
    return SearchData(task, train, valid, fingerprint=f"toy/{seed}")


def train_on_two_workers(
    gang: Sequence[Method], batch: Batch, *, epoch: int
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Losses and memory updates of one batch on two workers, the first of which takes more rows.

    Values only, no gradients. Returns each term of the first and of the second worker, and their
    mean by rows.
    """
    parts = torch.arange(len(batch)).split((len(batch) + 1) // 2)
    gather = _two_way_gather()

    def work(rank: int) -> dict[str, Tensor]:
        part, progress = batch.take(parts[rank]), Progress(epoch, 9, gather=gather(rank))
        terms = gang[rank].losses(part, progress)
        gang[rank].after_backward(part, progress)
        return {name: term.detach() for name, term in terms.items()}

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, (0, 1))
    left, right = (len(part) / len(batch) for part in parts)
    return {
        name: (value, second[name], left * value + right * second[name])
        for name, value in first.items()
    }


def _two_way_gather() -> Callable[[int], Callable[[Tensor], Tensor]]:
    parts: list[Tensor] = [torch.empty(0), torch.empty(0)]
    barrier = Barrier(2, timeout=30)

    def of(rank: int) -> Callable[[Tensor], Tensor]:
        def gather(value: Tensor) -> Tensor:
            parts[rank] = value
            barrier.wait()
            whole = torch.cat(parts)
            barrier.wait()
            return whole

        return gather

    return of
