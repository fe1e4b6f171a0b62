"""Gives a search the train and valid splits of a dataset, found by name; test it cannot give.

Unusual: there is no list of datasets; a file of this package that defines `DATASET` is one.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from mmsearch.batch import Batch
from mmsearch.datasets.base import Dataset, Examples, SplitName
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.task import SearchData
from mmsearch.errors import DataError, Problem, closest, reason_of, words_of

_DEFINES = re.compile(r"^DATASET\b", re.MULTILINE)


def known() -> list[str]:
    """Names of all datasets, sorted."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if _DEFINES.search(file.read_text(encoding="utf-8")))


def find(name: str) -> Dataset:
    """The dataset of this name.

    Raises:
        DataError: no file has this name; the message says the closest one.
    """
    if name not in known():
        raise DataError(
            Problem("dataset", f"no dataset is called {name!r}", closest(name, known()))
        )
    dataset = import_module(f"mmsearch.datasets.{name}").DATASET
    assert isinstance(dataset, Dataset)
    assert dataset.name == name, f"datasets/{name}.py defines {dataset.name!r}"
    return dataset


def check(name: str, *, folder: Path | None = None) -> None:
    """Whether a dataset's files are there; reads none of them.

    Args:
        name: the dataset's.
        folder: where its files lie; None looks in the folder that MMSEARCH_DATA names.

    Raises:
        DataError: unknown name, or files are missing: which, where from, and what to do instead.
    """
    with answering(name):
        find(name).check(folder)


def load(name: str, *, folder: Path | None = None) -> SearchData:
    """What a search may see of a dataset.

    Args:
        name: the dataset's.
        folder: where its files lie; None looks in the folder that MMSEARCH_DATA names.

    Raises:
        DataError: unknown name, or files that are missing, damaged or of another layout.
    """
    with answering(name):
        dataset = find(name)
        return search_data(dataset, dataset.read(("train", "valid"), folder), folder)


@contextmanager
def answering(name: str) -> Generator[None]:
    """What the disk or the memory refuses while a dataset is read becomes a DataError."""
    place = f"dataset {name!r}"
    try:
        yield
    except OSError as error:
        rule = f"cannot be read: {words_of(error).lower()}"
        way_out = "Mend the name, the file or the right to read it."
        raise DataError(Problem(str(error.filename or place), rule, way_out)) from error
    except MemoryError as error:
        rule = f"does not fit into memory ({reason_of(error)})"
        way_out = "Take a smaller part of it, or a machine with more memory."
        raise DataError(Problem(place, rule, way_out)) from error


def search_data(
    dataset: Dataset, examples: Mapping[SplitName, Examples], folder: Path | None
) -> SearchData:
    """Task, train and valid of what a dataset has read; any other split is left out."""
    task = dataset.task(examples["train"], folder)
    train, valid = (
        examples[split].batch(task.transform, torch.arange(len(examples[split].label)))
        for split in ("train", "valid")
    )
    raw = {
        name: (examples["train"].raw[name], examples["valid"].raw[name])
        for name in examples["train"].raw
    }
    return SearchData(task, train, valid, fingerprint(train, valid, raw), raw)


def fingerprint(train: Batch, valid: Batch, raw: Mapping[str, tuple[Raw, Raw]]) -> str:
    """SHA-256 over names, types, shapes and bytes of two splits, targets in model units.

    Of texts, images and sounds their content counts, not where they lie.

    Raises:
        OSError: a file cannot be read.
    """
    digest = sha256()
    for split, batch in (("train", train), ("valid", valid)):
        for name, tensor in _tensors(batch).items():
            array = tensor.contiguous().numpy()
            digest.update(f"{split}/{name} {array.dtype.str} {array.shape}\0".encode())
            digest.update(array.data)
    for name, pair in sorted(raw.items()):
        for split, part in zip(("train", "valid"), pair, strict=True):
            digest.update(f"{split}/raw/{name} {part.kind} {len(part)}\0".encode())
            for entry in part.digests():
                digest.update(entry)
    return digest.hexdigest()


def _tensors(batch: Batch) -> dict[str, Tensor]:
    named = {f"inputs/{name}": value for name, value in sorted(batch.inputs.items())}
    named |= {f"lengths/{name}": value for name, value in sorted(batch.lengths.items())}
    return named | {"target": batch.target}
