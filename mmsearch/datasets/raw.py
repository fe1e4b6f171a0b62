"""Raw modalities: texts, images and sounds as people have them, for networks that read them.

Unusual: images and sounds are named, not held; whoever reads them opens the files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from jaxtyping import Int
from torch import Tensor

Kind = Literal["text", "image", "sound"]
MODALITIES: dict[Kind, str] = {"text": "text", "image": "vision", "sound": "audio"}
"""The modality that each kind is."""


@dataclass(frozen=True)
class Raw:
    """One modality of one split, an entry an example."""

    kind: Kind
    values: tuple[str, ...]
    """Texts themselves; of images and sounds the absolute paths of their files."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Int[Tensor, " rows"]) -> "Raw":
        """The entries at these positions."""
        return Raw(self.kind, tuple(self.values[row] for row in rows.tolist()))

    def digests(self) -> Iterator[bytes]:
        """SHA-256 of each entry's text, or of its file's bytes."""
        for value in self.values:
            content = value.encode() if self.kind == "text" else Path(value).read_bytes()
            yield sha256(content).digest()
