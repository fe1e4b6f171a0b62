"""Raw modalities: texts, images and sounds as people have them, for networks that read them.

Unusual: images and sounds are named, not held; whoever reads them opens the files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from jaxtyping import Int
from torch import Tensor

from mmsearch.errors import DataError, Problem

Kind = Literal["text", "image", "sound"]
MODALITIES: dict[Kind, str] = {"text": "text", "image": "vision", "sound": "audio"}
"""The modality that each kind is."""
TOLD: dict[Kind, str] = {"text": "raw text", "image": "raw images", "sound": "raw sounds"}
"""How messages call each kind."""
SHOWN = 3
"""How many of the files that are missing are named."""


@dataclass(frozen=True)
class Raw:
    """One modality of one split, an entry an example."""

    kind: Kind
    values: tuple[str, ...]
    """Texts themselves; of images and sounds the absolute paths of their files."""

    @classmethod
    def of_files(cls, kind: Kind, paths: Sequence[Path], *, place: str) -> "Raw":
        """Images or sounds, one file an example.

        Args:
            kind: what the files are.
            paths: relative to the working directory, or absolute.
            place: what names the files, for the message.

        Raises:
            DataError: some are not there; how many, and the first of them.
        """
        check_there(paths, what=f"files of {TOLD[kind]}", place=place)
        return cls(kind, tuple(str(path.absolute()) for path in paths))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Int[Tensor, " rows"]) -> "Raw":
        """The entries at these positions."""
        positions: list[int] = rows.numpy().tolist()
        return Raw(self.kind, tuple(self.values[row] for row in positions))

    def digests(self) -> Iterator[bytes]:
        """SHA-256 of each entry's text, or of its file's bytes."""
        for value in self.values:
            content = value.encode() if self.kind == "text" else Path(value).read_bytes()
            yield sha256(content).digest()


def check_there(paths: Sequence[Path], *, what: str, place: str) -> None:
    """Whether all files are there.

    Args:
        paths: of the files.
        what: they are, for the message.
        place: what names them, for the message.

    Raises:
        DataError: some are not; how many, and the first of them.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        more = ", ..." if len(missing) > SHOWN else ""
        rule = f"{len(missing)} of {len(paths)} {what} are missing: "
        raise DataError(
            Problem(
                place,
                rule + ", ".join(missing[:SHOWN]) + more,
                "Put them there, or leave the rows that need them out.",
            )
        )
