"""Folders of named arrays, small, for the tests of their reader."""

from pathlib import Path
from typing import Any

import numpy as np

from mmsearch import datasets

ROWS = {"train": 20, "valid": 6, "test": 5}
Content = dict[str, dict[str, Any]]


def content(*, classes: int = 0) -> Content:
    """Vectors and padded sequences of two modalities; floats as targets, or that many classes."""
    generator = np.random.default_rng(0)

    def split(rows: int) -> dict[str, Any]:
        target = np.arange(rows) % classes if classes else np.linspace(-2, 4, rows)
        return {
            "notes": generator.normal(size=(rows, 4)),
            "pulse": generator.normal(size=(rows, 7, 3)).astype(np.float32),
            "pulse_lengths": np.arange(rows) % 7 + 1,
            "target": target,
        }

    return {name: split(rows) for name, rows in ROWS.items()}


def write(folder: Path, arrays: Content, *, toml: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, named in arrays.items():
        np.savez(folder / f"{split}.npz", **named)
    if toml:
        (folder / "dataset.toml").write_text(toml)
    return folder


def load(folder: Path, arrays: Content, *, toml: str = "") -> datasets.SearchData:
    return datasets.load("arrays", folder=write(folder, arrays, toml=toml))
