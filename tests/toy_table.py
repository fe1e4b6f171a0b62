"""Tables with texts, files and arrays beside them, small, for the tests of their reader."""

import csv
from pathlib import Path

import numpy as np

from mmsearch import datasets

SPLITS = ["train"] * 12 + ["valid"] * 4 + ["test"] * 3
ROWS = len(SPLITS)
COLOURS = ("red", "green", "blue")

TOML = """
file = "items.csv"
split = "part"
target = "colour"
[columns]
text = "words"
vision = { files = "images/{id}.jpg" }
[arrays]
audio = "audio.npy"
audio_lengths = "steps.npy"
"""
REGRESSION = TOML.replace('"colour"', '"rating"\nloss = "regression"')
Rows = list[dict[str, str]]


def rows() -> Rows:
    """One a line: an id, its text, a colour in turn, a rating, its split."""
    return [
        {
            "id": f"item {row}",
            "words": f'It is "{row}",\nor so',
            "colour": COLOURS[row % 3],
            "rating": str(row / 2 - 3),
            "stars": str(row % 4 + 8),
            "part": split,
        }
        for row, split in enumerate(SPLITS)
    ]


def audio() -> np.ndarray:
    return np.arange(ROWS * 10, dtype=np.float32).reshape(ROWS, 5, 2) + 1


def write(folder: Path, *, table: Rows | None = None, toml: str = TOML) -> Path:
    """A complete folder; the table may say otherwise than its files and arrays."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(toml)
    said = rows() if table is None else table
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows()[0]))
        writer.writeheader()
        writer.writerows(said)
    for row in rows():
        (folder / "images" / f"{row['id']}.jpg").write_text(row["id"])
    np.save(folder / "audio.npy", audio())
    np.save(folder / "steps.npy", np.arange(ROWS) % 5 + 1)
    return folder


def load(folder: Path, *, table: Rows | None = None, toml: str = TOML) -> datasets.SearchData:
    return datasets.load("table", folder=write(folder, table=table, toml=toml))
