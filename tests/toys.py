"""Toy data for tests of methods, and a toy gang of two workers in two threads."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import torch
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData, TargetTransform, Task
from mmsearch.methods.base import Method, Progress

SIX_VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")
WIDTHS = {"text": 12, "audio": 7, "vision": 9}
"""Features a step; a modality of another name has one more than its name has letters."""


def toy_data(
    modalities: Sequence[str] = ("text", "audio", "vision"),
    *,
    num_train: int = 64,
    num_valid: int = 16,
    steps: int = 5,
    seed: int = 0,
    classes: int = 0,
) -> SearchData:
    """Sequences of odd lengths that carry their target, plus noise, from any modalities.

    Args:
        modalities: their names.
        num_train: rows of train.
        num_valid: rows of valid.
        steps: of the longest sequence; 1 makes vectors.
        seed: of all that is drawn.
        classes: how many there are, evenly spread; 0 makes a regression, every eighth target 0.
    """
    generator = torch.Generator().manual_seed(seed)
    widths = {name: WIDTHS.get(name, len(name) + 1) for name in modalities}
    shape = (classes,) if classes else ()
    signals = {
        name: torch.randn(*shape, width, generator=generator) for name, width in widths.items()
    }

    def split(rows: int) -> Batch:
        target = _classes(rows, classes, generator) if classes else _values(rows, generator)
        lengths = {
            name: torch.randint(1, steps + 1, (rows,), generator=generator) for name in modalities
        }
        inputs = {}
        for name, signal in signals.items():
            noise = 0.5 * torch.randn(rows, steps, widths[name], generator=generator)
            real = torch.arange(steps) < lengths[name].unsqueeze(1)
            carried = 2 * signal[target] if classes else target[:, None] * signal
            inputs[name] = (carried[:, None] + noise) * real.unsqueeze(2)
        return Batch(inputs, lengths, target, torch.arange(rows))

    train, valid = split(num_train), split(num_valid)
    task = Task(
        dataset="toy",
        modalities=widths,
        loss_family="classification" if classes else "regression",
        transform=TargetTransform(),
        bound=0.0 if classes else 3.0,
        metrics="multiclass" if classes else "mosi",
        train_target=train.target,
        balance="balanced",
        classes=tuple(f"class {number}" for number in range(classes)),
    )
    return SearchData(task, train, valid, fingerprint=f"toy/{seed}")


def _values(rows: int, generator: torch.Generator) -> Tensor:
    target = (6 * torch.rand(rows, generator=generator) - 3).round(decimals=1)
    target[::8] = 0.0
    return target


def _classes(rows: int, classes: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(rows, generator=generator) % classes


TOYS: Mapping[str, Callable[..., SearchData]] = {
    "regression-3": toy_data,
    "regression-2": partial(toy_data, ("text", "audio")),
    "regression-vectors": partial(toy_data, steps=1),
    "classes-3": partial(toy_data, ("text", "audio", "vision"), classes=3),
    "classes-2": partial(toy_data, ("image", "title"), classes=4),
    "classes-vectors": partial(toy_data, ("mrna", "methylation", "mirna"), steps=1, classes=2),
    "classes-6": partial(toy_data, SIX_VIEWS, steps=1, classes=5),
}
"""Kinds of data; each takes the keywords of `toy_data`, but for those that make its kind."""
SEQUENCES = ("regression-3", "regression-2", "classes-3", "classes-2")
"""Those that are not vectors."""


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


def shown(value: object) -> str:
    """The id of a test's parameter: sets in one order, so that all test processes agree."""
    return f"{{{', '.join(sorted(map(str, value)))}}}" if isinstance(value, set) else str(value)
