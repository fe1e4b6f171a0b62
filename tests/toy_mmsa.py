"""Files in MMSA's layout, small, for the tests of its reader."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmsearch import datasets

UNLISTED = "not one that MMSA lists"

ROWS = {"train": 6, "valid": 3, "test": 4}


def layout(*, bound: float = 3.0) -> dict[str, dict[str, Any]]:
    """What an unaligned file holds, small: 5 tokens, 7 and 9 steps; lengths in the arrays."""
    generator = np.random.default_rng(0)

    def split(rows: int) -> dict[str, Any]:
        tokens = np.zeros((rows, 3, 5), dtype=np.int64)
        tokens[:, 1, :4] = 1
        return {
            "raw_text": [f"words {row}" for row in range(rows)],
            "id": np.array([f"video_{row}$_$1" for row in range(rows)]),
            "text": generator.normal(size=(rows, 5, 768)).astype(np.float32),
            "text_bert": tokens,
            "audio": generator.normal(size=(rows, 7, 5)).astype(np.float32),
            "vision": generator.normal(size=(rows, 9, 20)),
            "audio_lengths": np.arange(rows) + 2,
            "vision_lengths": [9] * rows,
            "annotations": ["Neutral"] * rows,
            "classification_labels": np.ones(rows),
            "regression_labels": np.linspace(-bound, bound, rows).astype(np.float32),
        }

    return {name: split(rows) for name, rows in ROWS.items()}


def write(path: Path, content: object, *, protocol: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def load(
    folder: Path, content: object, *, name: str = "mosi", file: str = "unaligned_50.pkl"
) -> datasets.SearchData:
    write(folder / file, content)
    with pytest.warns(UserWarning, match=UNLISTED):
        return datasets.load(name, folder=folder)
