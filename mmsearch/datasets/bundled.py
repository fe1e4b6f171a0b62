"""Reads the datasets that come with the package: compressed arrays, test in a file of its own."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmsearch.datasets.base import Dataset, SplitName
from mmsearch.errors import DataError, Problem

FILES = Path(__file__).parent / "files"


class Bundled(Dataset):
    """A dataset that needs no folder."""

    def check(self, folder: Path | None) -> None:
        """Raises DataError if a folder is given: it would have no effect."""
        if folder is not None:
            raise DataError(
                Problem(
                    f"dataset {self.name!r}",
                    f"is bundled with mmsearch, a folder has no effect, got {folder}",
                    "Leave the folder (--data) out, or name another dataset.",
                )
            )


def arrays(folder: Path, split: SplitName, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays `<split>_<name>` of one split, by name.

    Raises:
        DataError: the file is absent or damaged.
    """
    path = folder / ("test.npz" if split == "test" else "train_valid.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[f"{split}_{name}"] for name in names}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            Problem(
                str(path),
                f"the bundled file cannot be read ({type(error).__name__}: {error})",
                "Install mmsearch again.",
            )
        ) from error
