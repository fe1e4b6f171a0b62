"""Folders in MOGONET's layout, small, for the tests of its reader."""

from pathlib import Path

import numpy as np

WIDTHS = {1: 6, 2: 5, 3: 4}
TRAIN = [0] * 10 + [1] * 15
TEST = [0, 1, 1]


def write(folder: Path, *, train: list[int] | None = None, test: list[int] | None = None) -> Path:
    """A complete folder; labels as MOGONET's, floats in scientific notation."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, label in (("tr", train or TRAIN), ("te", test or TEST)):
        np.savetxt(folder / f"labels_{part}.csv", np.array(label, dtype=np.float64))
        for view, width in WIDTHS.items():
            values = generator.uniform(0.1, 0.9, (len(label), width))
            np.savetxt(folder / f"{view}_{part}.csv", values, delimiter=",")
    for view, width in WIDTHS.items():
        names = "".join(f"gene_{number}\n" for number in range(width))
        (folder / f"{view}_featname.csv").write_text(names)
    return folder


def change(path: Path, row: int, text: str) -> None:
    """Replaces one row of a csv file."""
    lines = path.read_text().splitlines()
    lines[row] = text
    path.write_text("\n".join(lines) + "\n")
