"""Makes the files of the embedded dataset `mfeat` from its source, the same bytes every time.

    python benchmarks/make_mfeat.py mfeat.npz mmsearch/datasets/files/mfeat

The source has 2000 rows, 200 of each digit, and no split. Of every five consecutive rows of a
digit, ordered by seeds of their own, the first goes to test, the second to valid, the others to
train. Values are left as they are; whole numbers are stored in the smallest type that holds them.
"""

import sys
from pathlib import Path

import numpy as np

from mmsearch.seeds import derive

VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")
GROUP = 5
SEED = 6


def split_of(digit: np.ndarray) -> np.ndarray:
    """Name of the split of each row."""
    split = np.full(len(digit), "train")
    for value in np.unique(digit):
        members = np.flatnonzero(digit == value)
        for start in range(0, len(members), GROUP):
            group = members[start : start + GROUP].tolist()
            test, valid, *_ = sorted(group, key=lambda row: derive(SEED, row, 0, "mfeat/split"))
            split[test], split[valid] = "test", "valid"
    return split


def smallest(values: np.ndarray) -> np.ndarray:
    """The same values in the smallest type that holds them all."""
    for kind in (np.uint8, np.uint16):
        if values.min() >= 0 and np.array_equal(values, values.astype(kind)):
            return values.astype(kind)
    return values


def make(source: Path) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of each file to write, by file name."""
    with np.load(source, allow_pickle=False) as stored:
        views = {name: smallest(stored[name]) for name in VIEWS} | {"label": smallest(stored["y"])}
    split = split_of(views["label"])
    parts = {
        part: {f"{part}_{name}": values[split == part] for name, values in views.items()}
        for part in ("train", "valid", "test")
    }
    return {"train_valid.npz": parts["train"] | parts["valid"], "test.npz": parts["test"]}


if __name__ == "__main__":
    source, folder = map(Path, sys.argv[1:])
    for file, arrays in make(source).items():
        np.savez_compressed(folder / file, **arrays)
        print(file, {name: (values.shape, values.dtype) for name, values in arrays.items()})
