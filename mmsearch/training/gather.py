"""A global batch split over the gang, and the differentiable `gather` that puts it together again.

Unusual: parts are contiguous and may differ by one row or be empty. A worker whose part is empty
computes on one borrowed row, so that every worker takes part in every collective operation; the
row has no weight in the loss and `gather` leaves it out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, distributed

from mmsearch.training.worker import Worker


@dataclass(frozen=True)
class Piece:
    """Rows of a batch that one worker takes through the network at once."""

    start: int
    """Position in the batch of the first."""
    size: int
    """How many, the borrowed one not counted."""
    weight: float
    """What a mean over them is multiplied by, as in `Share.weight`."""

    def of(self, rows: Int[Tensor, " total"]) -> Int[Tensor, " piece"]:
        """These rows; the batch's first row where there are none."""
        return rows[self.start : self.start + self.size] if self.size else rows[:1]


@dataclass(frozen=True)
class Share:
    """One worker's part of a batch of `total` rows."""

    total: int
    worker: Worker

    @property
    def whole(self) -> bool:
        """Whether this worker has the batch to itself."""
        return self.worker.world_size == 1

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each worker's part, by rank."""
        base, extra = divmod(self.total, self.worker.world_size)
        return tuple(base + (rank < extra) for rank in range(self.worker.world_size))

    @cached_property
    def start(self) -> int:
        """Position in the batch of this worker's first row."""
        return sum(self.sizes[: self.worker.rank])

    @cached_property
    def size(self) -> int:
        """Rows of this worker's part, the borrowed one not counted."""
        return self.sizes[self.worker.rank]

    @cached_property
    def weight(self) -> float:
        """What a mean over this worker's part is multiplied by.

        The mean of the products over workers is then the mean over the batch.
        """
        return self._weight(self.size)

    def of(self, rows: Int[Tensor, " total"]) -> Int[Tensor, " part"]:
        """This worker's rows; the batch's first row where the part is empty."""
        return Piece(self.start, self.size, self.weight).of(rows)

    def pieces(self, micro_batch: int) -> tuple[Piece, ...]:
        """This worker's part in pieces of at most so many rows.

        All workers have as many, since gradients are reduced after each; the sum over pieces of
        the products with their weights, averaged over workers, is the mean over the batch.
        """
        count = -(-max(self.sizes) // micro_batch)
        base, extra = divmod(self.size, count)
        starts = [self.start + base * index + min(index, extra) for index in range(count)]
        sizes = [base + (index < extra) for index in range(count)]
        return tuple(
            Piece(start, size, self._weight(size))
            for start, size in zip(starts, sizes, strict=True)
        )

    def _weight(self, size: int) -> float:
        return size * self.worker.world_size / self.total

    def gather(self, value: Shaped[Tensor, "part ..."]) -> Shaped[Tensor, "total ..."]:
        """The same tensor of all workers, along dimension 0, in the order of the batch.

        Differentiable: a worker's part gets the sum of what all workers' losses ask of it.
        """
        assert len(value) == max(self.size, 1), "gather takes tensors with one entry per example"
        if self.whole:
            return value
        if value.dtype == torch.bool:
            return self.gather(value.to(torch.uint8)).to(torch.bool)
        return _Gather.apply(value, self)


def ungathered(_: Tensor) -> Tensor:
    """The `gather` of a piece, for a method that has said that it needs no batch as a whole."""
    raise AssertionError("a method without a whole_batch_reason() gathers nothing")


class _Gather(torch.autograd.Function):
    """All-gather of uneven parts; its backward sums the gradients over workers."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, share: Share) -> Tensor:
        ctx.share, ctx.shape = share, value.shape
        width = max(share.sizes)
        own = value.contiguous()
        if share.size != width:
            own = value.new_zeros((width, *value.shape[1:]))
            own[: share.size] = value[: share.size]
        parts = [torch.empty_like(own) for _ in share.sizes]
        distributed.all_gather(parts, own)
        return torch.cat([part[:size] for part, size in zip(parts, share.sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        share: Share = ctx.share
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        own = gradient.new_zeros(ctx.shape)
        own[: share.size] = gradient[share.start : share.start + share.size]
        return own, None
