"""Data on its way to the workers: plain arrays, so that Ray shares one copy per node.

Unusual: Ray maps numpy arrays from its object store without copying them, but not torch tensors;
so tensors travel as arrays and become tensors again over the same read-only memory.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets import SearchData, Task
from mmsearch.datasets.task import View


@dataclass(frozen=True)
class Parcel:
    """A `SearchData` without tensors, and without what is raw: views of it are in files."""

    task: Task
    train_target: np.ndarray
    splits: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
    """Of train and valid, by `<field>/<modality>`."""
    fingerprint: str
    views: Mapping[str, View]


def pack(data: SearchData) -> Parcel:
    """To arrays that share the tensors' memory."""
    return Parcel(
        task=replace(data.task, train_target=torch.empty(0)),
        train_target=data.task.train_target.numpy(),
        splits=(_arrays(data.train), _arrays(data.valid)),
        fingerprint=data.fingerprint,
        views=data.views,
    )


def unpack(parcel: Parcel) -> SearchData:
    """To tensors that share the arrays' memory; nobody may write to them."""
    train, valid = (_batch(arrays) for arrays in parcel.splits)
    task = replace(parcel.task, train_target=_tensor(parcel.train_target))
    return SearchData(task, train, valid, parcel.fingerprint, views=parcel.views)


def _arrays(batch: Batch) -> dict[str, np.ndarray]:
    named = {"target": batch.target, "rows": batch.rows}
    named |= {f"inputs/{name}": value for name, value in batch.inputs.items()}
    named |= {f"lengths/{name}": value for name, value in batch.lengths.items()}
    return {name: value.numpy() for name, value in named.items()}


def _batch(arrays: dict[str, np.ndarray]) -> Batch:
    def field(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): _tensor(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }

    return Batch(
        inputs=field("inputs/"),
        lengths=field("lengths/"),
        target=_tensor(arrays["target"]),
        rows=_tensor(arrays["rows"]),
    )


def _tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
