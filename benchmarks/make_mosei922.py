"""Makes the files of the embedded dataset `mosei922` from its source, the same bytes every time.

    python benchmarks/make_mosei922.py mosei_video.npz mmsearch/datasets/files/mosei922

The source has 658 rows (keys ending in `_test`) and 264 rows (keys ending in `_val`); its train
file does not exist. The 264 become test. Of the 658, in order of their labels (rows with equal
labels as they come), every group of five consecutive rows gives one to valid, drawn by the group's
own seed: so valid has the same spread of labels as train. Values are left as they are.
"""

import sys
from pathlib import Path

import numpy as np

from mmsearch.seeds import derive

SOURCE_NAMES = {"text": "language", "audio": "acoustic", "vision": "visual", "label": "labels"}
GROUP = 5
SEED = 922


def valid_rows(label: np.ndarray) -> np.ndarray:
    """Which rows are valid, as a mask; the others are train."""
    order = np.argsort(label, kind="stable")
    mask = np.zeros(len(label), dtype=bool)
    for group, start in enumerate(range(0, len(order), GROUP)):
        members = order[start : start + GROUP]
        mask[members[derive(SEED, group, 0, "mosei922/valid") % len(members)]] = True
    return mask


def make(source: Path) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of each file to write, by file name."""
    with np.load(source, allow_pickle=False) as stored:
        seen, test = (
            {ours: stored[f"{theirs}_{suffix}"] for ours, theirs in SOURCE_NAMES.items()}
            for suffix in ("test", "val")
        )
    valid = valid_rows(seen["label"])
    masks = {"train": ~valid, "valid": valid}
    return {
        "train_valid.npz": {
            f"{split}_{name}": values[mask]
            for split, mask in masks.items()
            for name, values in seen.items()
        },
        "test.npz": {f"test_{name}": values for name, values in test.items()},
    }


if __name__ == "__main__":
    source, folder = map(Path, sys.argv[1:])
    for file, arrays in make(source).items():
        np.savez_compressed(folder / file, **arrays)
        print(file, {name: values.shape for name, values in arrays.items()})
