"""Files in MAG-BERT's layout, small, for the tests of its reader."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch import datasets

ROWS = {"train": 5, "dev": 3, "test": 2}
Content = dict[str, list[Any]]


def segment(words: int, *, label: float = 0.5) -> tuple[Any, Any, str]:
    """One segment of that many words, features by word, its label of shape (1, 1)."""
    generator = np.random.default_rng(words)
    features = generator.normal(size=(words, 4)), generator.normal(size=(words, 3))
    return ([f"w{k}" for k in range(words)], *features), np.array([[label]]), f"clip[{words}]"


def layout() -> Content:
    """Segments of 1, 2, 3, ... words in each split."""
    return {
        split: [segment(row + 1, label=row / 2 - 1) for row in range(rows)]
        for split, rows in ROWS.items()
    }


def write(folder: Path, content: object, *, file: str = "mosi.pkl", protocol: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(pickle.dumps(content, protocol=protocol))
    return folder


def load(folder: Path, content: object) -> datasets.SearchData:
    return datasets.load("mag_mosi", folder=write(folder, content))
