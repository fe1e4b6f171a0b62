"""Carves validation rows out of train, always the same ones, where a dataset has none.

Of every five rows in a line, or another number of them, one is drawn, by a seed of its own. For
classes a line is the rows of one class as they come in the file; for numbers it is all rows in the
order of their labels. So valid has the label spread of train, about a fifth of it, and a class of
fewer than five rows stays in train whole.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mmsearch.datasets.base import Examples, SplitName
from mmsearch.errors import DataError, Problem
from mmsearch.seeds import derive

GROUP = 5
SEED = 0


def carve(examples: Examples, *, place: str, group: int = GROUP) -> dict[SplitName, Examples]:
    """Train and valid out of what a dataset gives as train; see `valid_rows`."""
    valid = valid_rows(examples.label, place=place, group=group)
    return {
        "train": examples.take(torch.nonzero(~valid)[:, 0]),
        "valid": examples.take(torch.nonzero(valid)[:, 0]),
    }


def valid_rows(
    label: Float[Tensor, " rows"] | Int[Tensor, " rows"], *, place: str, group: int = GROUP
) -> Bool[Tensor, " rows"]:
    """Which rows are valid; the others are train.

    Args:
        label: of every row, numbers or classes from 0.
        place: where the rows are from, for the message.
        group: of how many rows one is drawn.

    Raises:
        DataError: there are too few rows to give any away.
    """
    mask = torch.zeros(len(label), dtype=torch.bool)
    for line, members in enumerate(_lines(label)):
        for number, start in enumerate(range(0, len(members) - group + 1, group)):
            drawn = derive(SEED, line, number, "datasets/valid") % group
            mask[members[start + drawn]] = True
    if not bool(mask.any()):
        raise DataError(
            Problem(
                place,
                f"has too few rows to carve valid ones out of them, got {len(label)}, "
                f"and no {group} of one class",
                "Bring more rows, or valid ones of their own.",
            )
        )
    return mask


def _lines(label: Tensor) -> list[Int[Tensor, " _"]]:
    if label.is_floating_point():
        return [label.argsort(stable=True)]
    return [torch.nonzero(label == number)[:, 0] for number in range(int(label.max()) + 1)]
