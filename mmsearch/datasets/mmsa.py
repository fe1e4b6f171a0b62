"""Reads the pickles that the MMSA toolkit gives out for MOSI, MOSEI and SIMS.

A file is a dict of `train`, `valid` and `test`, each a dict with `text` (N, Lt, 768), `audio`
(N, La, da), `vision` (N, Lv, dv), `regression_labels` (N,), and, where they apply, `text_bert`
(N, 3, Lt; row 1 is the attention mask), `audio_lengths` and `vision_lengths` (N,). Where it has
`raw_text` (N texts), text is raw too, for a network that is fine-tuned.

Unusual: -inf in audio becomes 0, as everywhere in the field; any other value that is not finite is
refused. Text lengths come from the attention mask; audio and vision are taken at full length from
aligned files, which say nothing about it. What lies beyond a length is set to zero.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, differing_widths, places
from mmsearch.datasets.labels import sign_balance
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.task import TargetTransform, Task
from mmsearch.datasets.unpickle import as_array, as_texts, unpickle
from mmsearch.errors import DataError, Problem

MODALITIES = ("text", "audio", "vision")
LABELS, RAW_TEXT = "regression_labels", "raw_text"
LAYOUT = "See mmsearch/datasets/mmsa.py for the layout that is read."
CHECKSUMS = {
    "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9": "mosi",
    "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524": "mosi",
    "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791": "mosei",
    "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f": "mosei",
    "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f": "sims",
}
"""SHA-256 that MMSA's README lists, aligned before unaligned, and the dataset each belongs to."""


@dataclass(frozen=True)
class Mmsa(Dataset):
    """One of the datasets that MMSA gives out."""

    name: str
    bound: float
    """Largest |label|."""
    metrics: str
    files: tuple[str, ...]
    """Names to look for, the preferred one first."""

    def check(self, folder: Path | None) -> None:
        """Raises DataError if none of its files is there."""
        self._locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; the other splits of the file are dropped unseen."""
        path = self._locate(folder)
        self._compare_checksum(path)
        content = unpickle(path)
        if not isinstance(content, dict):
            raise _wrong(path, f"expected a dict of splits, got {type(content).__name__}")
        parts = cast("dict[str, Any]", content)
        examples: dict[SplitName, Examples] = {
            split: _Part(path, split, parts.get(split), self.bound).examples() for split in splits
        }
        for name in MODALITIES:
            if told := differing_widths(examples, name):
                rule = f"expected the same features in every split, got {told}"
                raise _wrong(path, rule, key=name)
        _check_raw_everywhere(path, examples)
        return examples

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Regression of sentiment in its original units."""
        return Task(
            dataset=self.name,
            modalities={name: train.inputs[name].shape[2] for name in MODALITIES},
            loss_family="regression",
            transform=TargetTransform(),
            bound=self.bound,
            metrics=self.metrics,
            train_target=train.label,
            balance=sign_balance(train.label),
        )

    def _locate(self, folder: Path | None) -> Path:
        # As MMSA's download is laid out; straight in a folder only if that was given for this
        # dataset, for files of MOSI and MOSEI have the same names.
        looked = places(folder, self.name, f"{self.name.upper()}/Processed")
        if not looked:
            raise self._absent(f"no folder is given, neither by --data nor by {VARIABLE}")
        found = [place / file for file in self.files for place in looked]
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            names = " or ".join(self.files)
            raise self._absent(f"no file {names} in {', '.join(map(str, looked))}")
        return path

    def _absent(self, rule: str) -> DataError:
        return DataError(
            Problem(
                f"dataset {self.name!r}",
                rule,
                f"Its file ({' or '.join(self.files)}) comes from the MMSA project (thuiar/MMSA on "
                f"GitHub, processed features); give its folder with --data or {VARIABLE}. "
                "Or python -m mmsearch.tune selfmi searches on the data bundled with mmsearch.",
            )
        )

    def _compare_checksum(self, path: Path) -> None:
        """A file that MMSA lists for another dataset is refused, an unlisted one remarked on."""
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        owner = CHECKSUMS.get(checksum)
        if owner is None:
            warnings.warn(
                f"{path}: SHA-256 {checksum} is not one that MMSA lists for {self.name}: results "
                "are comparable with published ones only if the data is the same",
                stacklevel=4,
            )
        elif owner != self.name:
            raise _wrong(path, f"this is MMSA's file of {owner}, not of {self.name}")


@dataclass(frozen=True)
class _Part:
    """One split of a file, not yet checked."""

    path: Path
    split: SplitName
    content: Any
    bound: float

    def examples(self) -> Examples:
        if not isinstance(self.content, dict):
            raise _wrong(self.path, f"no split {self.split!r} that is a dict")
        label = self._label()
        inputs = {name: self._features(name, len(label)) for name in MODALITIES}
        lengths = {name: self._lengths(name, *value.shape[:2]) for name, value in inputs.items()}
        for name, value in inputs.items():
            value[np.arange(value.shape[1]) >= lengths[name][:, None]] = 0.0
        return Examples(
            inputs={name: torch.as_tensor(value) for name, value in inputs.items()},
            lengths={name: torch.as_tensor(value) for name, value in lengths.items()},
            label=torch.as_tensor(label),
            raw=self._raw(len(label)),
        )

    def _raw(self, rows: int) -> dict[str, Raw]:
        if RAW_TEXT not in self.content:
            return {}
        try:
            texts = as_texts(self.content[RAW_TEXT])
        except ValueError as error:
            raise self._wrong(RAW_TEXT, f"is not a list of texts ({error})") from error
        if len(texts) != rows:
            raise self._wrong(RAW_TEXT, f"has {len(texts)} texts, the labels have {rows} rows")
        return {"text": Raw("text", tuple(texts))}

    def _label(self) -> np.ndarray:
        label = self._numbers(LABELS)
        if label.size != len(label):
            raise self._wrong(LABELS, f"expected one number a row, got shape {label.shape}")
        if label.size == 0:
            raise self._wrong(LABELS, "the split is empty")
        label = label.reshape(-1)
        if not np.isfinite(label).all():
            rows = np.flatnonzero(~np.isfinite(label)).tolist()
            raise self._wrong(LABELS, f"expected finite labels, row {rows[0]} is not")
        if np.abs(label).max() > self.bound:
            largest = float(np.abs(label).max())
            raise self._wrong(LABELS, f"expected labels up to {self.bound:g}, got {largest:g}")
        return label

    def _features(self, name: str, rows: int) -> np.ndarray:
        value = self._numbers(name)
        if value.ndim != 3 or 0 in value.shape:
            raise self._wrong(name, f"expected (rows, steps, features), got shape {value.shape}")
        if len(value) != rows:
            raise self._wrong(name, f"has {len(value)} rows, the labels have {rows}")
        if name == "audio":
            value[np.isneginf(value)] = 0.0
        if not np.isfinite(value).all():
            row = int(np.argwhere(~np.isfinite(value))[0, 0])
            raise self._wrong(name, f"expected finite features, row {row} has others")
        return value

    def _lengths(self, name: str, rows: int, steps: int) -> np.ndarray:
        """Real steps of each row, in [1, steps]."""
        lengths = self._stated_lengths(name)
        if lengths is None:
            return np.full(rows, steps, dtype=np.int64)
        if lengths.shape != (rows,):
            raise self._wrong(f"lengths of {name}", f"expected {rows}, got shape {lengths.shape}")
        if lengths.max() > steps or lengths.min() < 0:
            wrong = lengths.max() if lengths.max() > steps else lengths.min()
            rule = f"expected 0 to {steps} steps, got {wrong}"
            raise self._wrong(f"lengths of {name}", rule)
        return np.maximum(lengths, 1)

    def _stated_lengths(self, name: str) -> np.ndarray | None:
        if name == "text" and "text_bert" in self.content:
            tokens = self._integers("text_bert")
            if tokens.ndim != 3 or tokens.shape[1] != 3:
                raise self._wrong("text_bert", f"expected (rows, 3, steps), got {tokens.shape}")
            return tokens[:, 1].sum(axis=1)
        key = f"{name}_lengths"
        if key not in self.content or self.path.name.startswith("aligned"):
            return None
        return self._integers(key).reshape(-1)

    def _integers(self, key: str) -> np.ndarray:
        value = self._numbers(key)
        # Larger ones are no lengths, and float32 knows no neighbours of them.
        wrong = value[~(np.abs(value) < 2**24)]
        if wrong.size:
            raise self._wrong(key, f"expected whole numbers, got {wrong[0]:g}")
        return value.astype(np.int64)

    def _numbers(self, key: str) -> np.ndarray:
        """What lies under a key, copied to float32."""
        if key not in self.content:
            raise self._wrong(key, "is missing")
        try:
            value = as_array(self.content[key])
        except ValueError as error:
            raise self._wrong(key, f"is not an array of numbers ({error})") from error
        with np.errstate(over="ignore"):
            return np.atleast_1d(value.astype(np.float32))

    def _wrong(self, key: str, rule: str) -> DataError:
        return _wrong(self.path, rule, key=f"{self.split}/{key}")


def _check_raw_everywhere(path: Path, examples: Mapping[SplitName, Examples]) -> None:
    having = [split for split, part in examples.items() if part.raw]
    lacking = [split for split in examples if split not in having]
    if having and lacking:
        rule = f"is in {', '.join(having)} and not in {', '.join(lacking)}"
        raise _wrong(path, rule, key=RAW_TEXT)


def _wrong(path: Path, rule: str, *, key: str = "") -> DataError:
    return DataError(Problem(f"{path} {key}".rstrip(), rule, LAYOUT))
