"""One epoch of training: its phases over its batches, steps at accumulation boundaries, curves.

Unusual: nothing here waits for the device before the epoch is over; losses and norms stay on it
as tensors until `Meter.read`.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil
from time import perf_counter

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed

from mmsearch.batch import Batch
from mmsearch.methods.base import MethodConfig, Progress, alone
from mmsearch.seeds import Seed
from mmsearch.training.engine import Engines, Pass
from mmsearch.training.gather import Share, ungathered
from mmsearch.training.worker import Worker


class Meter:
    """What the curves of one epoch are made of."""

    def __init__(self) -> None:
        self._terms: dict[tuple[str, ...], list[tuple[Tensor, int]]] = defaultdict(list)
        self._norms: list[Tensor] = []

    def loss(self, names: tuple[str, ...], terms: Float[Tensor, " terms"], rows: int) -> None:
        """Notes a batch's terms and how many rows, over all workers, they are means of."""
        self._terms[names].append((terms, rows))

    def step(self, norm: Tensor | float | None) -> None:
        """Notes the norm of the gradients of one applied step."""
        if norm is not None:
            self._norms.append(torch.as_tensor(norm, dtype=torch.float32))

    def read(self, worker: Worker) -> dict[str, float]:
        """`train/<term>` (means over rows), their sum `train/loss`, and `train/gradient_norm`.

        Averaged over workers, so that all of them read the same; waits for the device.
        """
        sums: dict[str, Tensor] = {}
        rows: dict[str, int] = defaultdict(int)
        for names, noted in self._terms.items():
            weights = torch.tensor([count for _, count in noted], dtype=torch.float64)
            table = torch.stack([terms for terms, _ in noted]).double()
            column = weights.to(table.device) @ table
            for index, name in enumerate(names):
                sums[name] = sums.get(name, column.new_zeros(())) + column[index]
                rows[name] += int(weights.sum())
        means = torch.stack([sums[name] / rows[name] for name in sums])
        if worker.world_size > 1:
            distributed.all_reduce(means)
            means /= worker.world_size
        values = dict(zip(sums, means.tolist(), strict=True))
        curves = {f"train/{name}": value for name, value in values.items()}
        curves["train/loss"] = sum(values.values())
        if self._norms:
            curves["train/gradient_norm"] = float(torch.stack(self._norms).mean())
        return curves


@dataclass(frozen=True)
class Epochs:
    """Runs epochs of one trial on one worker."""

    engines: Engines
    train: Batch
    config: MethodConfig
    max_epochs: int
    seed: Seed
    micro_batch: int
    """Most examples of a batch that go through the network at once, on one worker."""

    def run(self, epoch: int) -> dict[str, float]:
        """Trains one epoch (1-based) and returns its `train/` curves.

        Order and noise depend on the epoch alone, not on what was drawn before it.
        """
        started = perf_counter()
        torch.manual_seed(self.seed.stream(f"noise/{epoch}/{self.engines.worker.rank}"))
        batches = self._batches(epoch)
        self.engines.learner.train()
        meter, rows, curves = Meter(), 0, {}
        for one in self.engines.passes:
            own = batches[: ceil(one.phase.share * len(batches))]
            with _only(one, among=self.engines.passes):
                self._run_pass(one, own, epoch, meter)
            rows += sum(len(batch) for batch in own)
            curves |= {f"train/lr/{name}": rate for name, rate in one.rates().items()}
        curves |= meter.read(self.engines.worker)
        curves["train/samples_per_second"] = rows / (perf_counter() - started)
        return curves

    def _batches(self, epoch: int) -> tuple[Int[Tensor, " _batch"], ...]:
        """Rows of each global batch of an epoch, the same for any number of workers."""
        generator = torch.Generator().manual_seed(self.seed.stream(f"order/{epoch}"))
        order = torch.randperm(len(self.train), generator=generator)
        return order.split(self.config.batch_size)

    def _run_pass(
        self, one: Pass, batches: tuple[Int[Tensor, " _batch"], ...], epoch: int, meter: Meter
    ) -> None:
        group = self.config.accumulation
        whole = len(batches) - len(batches) % group
        shares = {len(rows): Share(len(rows), self.engines.worker) for rows in batches}
        for index, rows in enumerate(batches, start=1):
            share = shares[len(rows)]
            progress = Progress(
                epoch, self.max_epochs, one.phase.name, alone if share.whole else share.gather
            )
            # Gradients that would be thrown away are not computed; memories see the batch anyway.
            dropped = index > whole and self.config.accumulation_tail == "drop"
            with torch.set_grad_enabled(not dropped):
                self._gradients(one, rows, share, progress, meter)
            if not dropped and (index % group == 0 or index == len(batches)):
                self._step(one, meter)

    def _gradients(
        self, one: Pass, rows: Int[Tensor, " batch"], share: Share, progress: Progress, meter: Meter
    ) -> None:
        """Adds the gradients of a batch to those that the next step takes."""
        pieces = share.pieces(self.micro_batch)
        if len(pieces) > 1:
            progress = replace(progress, gather=ungathered)
        terms = [
            self._forward_backward(one, piece.of(rows), piece.weight, progress) for piece in pieces
        ]
        meter.loss(self.engines.learner.terms, reduce(torch.add, terms), share.total)

    def _forward_backward(
        self, one: Pass, rows: Int[Tensor, " piece"], weight: float, progress: Progress
    ) -> Float[Tensor, " terms"]:
        batch = self.engines.take(self.train, rows)
        loss, terms = one.engine(batch, progress, weight)
        if torch.is_grad_enabled():
            one.engine.backward(loss)
        learner = self.engines.learner
        seen, learner.seen = learner.seen, None
        assert seen is not None, "a batch was just trained on"
        with torch.no_grad():
            learner.method.after_backward(seen, progress)
        self.engines.worker.pulse()
        return terms

    def _step(self, one: Pass, meter: Meter) -> None:
        one.engine.step()
        if one.engine.was_step_applied():
            meter.step(one.engine.get_global_grad_norm())
            with torch.no_grad():
                self.engines.method.after_step()


@contextmanager
def _only(one: Pass, *, among: tuple[Pass, ...]) -> Iterator[None]:
    """Lets only this phase's weights take gradients, so that none reach another's optimiser."""
    others = frozenset().union(*(other.parameters for other in among)) - one.parameters
    for parameter in others:
        parameter.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(requires_grad=True)
