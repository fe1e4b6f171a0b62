"""Reads the pickles that the MAG-BERT project gives out for MOSI and MOSEI, which MIM takes too.

A file is a dict of `train`, `dev` and `test`, each a list of segments: ((words, visual, acoustic),
label, name), with n words as texts, visual (n, dv), acoustic (n, da), and one number as the label.

Unusual: text is raw, its words joined by spaces. Audio and vision keep one row a word and true
lengths; MAG-BERT repeats a word's row for each of its tokens and cuts at 48 of them, so that all
modalities are as long, which methods here do not need. A segment without words has the empty text
and one step of zeros. -inf in acoustic becomes 0, as everywhere in the field; any other value that
is not finite is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32

from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, differing_widths, places
from mmsearch.datasets.labels import sign_balance
from mmsearch.datasets.memory import must_fit
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.task import TargetTransform, Task
from mmsearch.datasets.unpickle import as_array, as_texts, unpickle
from mmsearch.errors import DataError, Problem

KEYS: Mapping[SplitName, str] = {"train": "train", "valid": "dev", "test": "test"}
BOUND = 3.0
LAYOUT = "See mmsearch/datasets/mag.py for the layout that is read."


@dataclass(frozen=True)
class Mag(Dataset):
    """One of the datasets in this layout."""

    name: str
    file: str

    def check(self, folder: Path | None) -> None:
        """Raises DataError if its file is not there."""
        self._locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; the other splits of the file are dropped unseen."""
        path = self._locate(folder)
        content = unpickle(path)
        if not isinstance(content, dict):
            raise _wrong(path, "", f"expected a dict of splits, got {type(content).__name__}")
        parts = cast("dict[str, Any]", content)
        examples: dict[SplitName, Examples] = {
            split: _Part(path, KEYS[split], parts.get(KEYS[split])).examples() for split in splits
        }
        for name in ("audio", "vision"):
            if told := differing_widths(examples, name):
                raise _wrong(path, name, f"expected the same features in every split, got {told}")
        return examples

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Regression of sentiment in its original units."""
        return Task(
            dataset=self.name,
            modalities=train.modalities,
            loss_family="regression",
            transform=TargetTransform(),
            bound=BOUND,
            metrics="mag",
            train_target=train.label,
            balance=sign_balance(train.label),
        )

    def _locate(self, folder: Path | None) -> Path:
        looked = places(folder, self.name, "mag")
        if not looked:
            raise self._absent(f"no folder is given, neither by --data nor by {VARIABLE}")
        path = next((place / self.file for place in looked if (place / self.file).is_file()), None)
        if path is None:
            raise self._absent(f"no file {self.file} in {', '.join(map(str, looked))}")
        return path

    def _absent(self, rule: str) -> DataError:
        return DataError(
            Problem(
                f"dataset {self.name!r}",
                rule,
                f"Its file ({self.file}) comes from the MAG-BERT project "
                "(WasifurRahman/BERT_multimodal_transformer on GitHub); give its folder with "
                f"--data, or a folder that has {self.name} or mag in it with {VARIABLE}.",
            )
        )


@dataclass(frozen=True)
class _Segment:
    """One example, its features by word."""

    text: str
    features: Mapping[str, Float32[np.ndarray, "words _features"]]
    label: float


@dataclass(frozen=True)
class _Part:
    """One split of a file, not yet checked."""

    path: Path
    key: str
    content: object

    def examples(self) -> Examples:
        segments = list(self._segments())
        inputs: dict[str, torch.Tensor] = {}
        lengths: dict[str, torch.Tensor] = {}
        for name in ("audio", "vision"):
            value, length = self._padded(name, [segment.features[name] for segment in segments])
            inputs[name], lengths[name] = torch.as_tensor(value), torch.as_tensor(length)
        return Examples(
            inputs=inputs,
            lengths=lengths,
            label=torch.tensor([segment.label for segment in segments], dtype=torch.float32),
            raw={"text": Raw("text", tuple(segment.text for segment in segments))},
        )

    def _segments(self) -> Iterator[_Segment]:
        content = self.content
        if not isinstance(content, list):
            raise self._wrong("", "expected a list of segments under this key")
        segments = cast("list[object]", content)
        if not segments:
            raise self._wrong("", "the split is empty")
        for number, segment in enumerate(segments):
            try:
                (words, visual, acoustic), label, _ = cast("Any", segment)
            except (TypeError, ValueError):
                rule = "expected ((words, visual, acoustic), label, name)"
                raise self._wrong(str(number), rule) from None
            texts = self._words(number, words)
            features = {
                "audio": self._features(f"{number}/acoustic", acoustic, len(texts)),
                "vision": self._features(f"{number}/visual", visual, len(texts)),
            }
            yield _Segment(" ".join(texts), features, self._label(number, label))

    def _words(self, number: int, words: object) -> list[str]:
        try:
            return as_texts(words)
        except ValueError as error:
            raise self._wrong(f"{number}/words", f"is not a list of words ({error})") from error

    def _features(
        self, key: str, value: object, words: int
    ) -> Float32[np.ndarray, "words _features"]:
        rows = self._numbers(key, value)
        if words == 0 and rows.size == 0:
            return np.zeros((0, 0), dtype=np.float32)
        if rows.ndim != 2 or 0 in rows.shape:
            raise self._wrong(key, f"expected (words, features), got shape {rows.shape}")
        if len(rows) != words:
            raise self._wrong(key, f"has {len(rows)} rows, the segment has {words} words")
        if key.endswith("acoustic"):
            rows = np.where(np.isneginf(rows), np.float32(0), rows)
        if not np.isfinite(rows).all():
            word = int(np.argwhere(~np.isfinite(rows))[0, 0])
            raise self._wrong(key, f"expected finite features, row {word} has others")
        return rows

    def _label(self, number: int, value: object) -> float:
        key = f"{number}/label"
        label = self._numbers(key, value)
        if label.size != 1:
            raise self._wrong(key, f"expected one number, got shape {label.shape}")
        found = float(label.reshape(-1)[0])
        if not abs(found) <= BOUND:
            raise self._wrong(key, f"expected a label from -{BOUND:g} to {BOUND:g}, got {found:g}")
        return found

    def _numbers(self, key: str, value: object) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):
                return as_array(value).astype(np.float32)
        except ValueError as error:
            raise self._wrong(key, f"is not an array of numbers ({error})") from error

    def _padded(self, name: str, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(segments, steps, features), zeros at the end, and how many steps are real."""
        widths = sorted({part.shape[1] for part in rows if len(part)})
        if len(widths) != 1:
            found = f"from {widths[0]} to {widths[-1]}" if widths else "no words"
            raise self._wrong(name, f"expected as many features in every segment, got {found}")
        lengths = np.array([max(len(part), 1) for part in rows], dtype=np.int64)
        shape = (len(rows), int(lengths.max()), widths[0])
        try:
            must_fit(4 * prod(shape))
        except ValueError as error:
            raise self._wrong(name, f"padded to the longest segment it {error}") from error
        padded = np.zeros(shape, dtype=np.float32)
        for row, part in zip(padded, rows, strict=True):
            if len(part):
                row[: len(part)] = part
        return padded, lengths

    def _wrong(self, key: str, rule: str) -> DataError:
        return _wrong(self.path, f"{self.key}/{key}".rstrip("/"), rule)


def _wrong(path: Path, key: str, rule: str) -> DataError:
    return DataError(Problem(f"{path} {key}".rstrip(), rule, LAYOUT))
