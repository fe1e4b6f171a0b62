"""Views: features of networks that stay as they are, and inputs of networks that learn along.

Both are computed once, before a search.

Unusual: each lies in a folder whose name is a fingerprint of data, network and settings, and
appears when it is complete or not at all; workers map its files, so a machine holds one copy.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from pydantic import BaseModel
from torch import Tensor

from mmsearch.backbones import efficientnet, images, sounds, text
from mmsearch.backbones.choices import FIELDS, WHILE_LEARNING, Chosen, of_study
from mmsearch.backbones.network import Inputs, Source, freeze_unused, taken
from mmsearch.backbones.settings import Images, Learning, Reader, Text
from mmsearch.datasets.raw import MODALITIES, TOLD, Raw
from mmsearch.datasets.task import SearchData, View
from mmsearch.errors import Problem, StudyError
from mmsearch.space import Branch
from mmsearch.study import Study

FORMAT = 1
SPLITS = ("train", "valid")


def source(chosen: Chosen) -> Source:
    """The network of a backbone, loaded once a process; nobody may change it.

    Raises:
        StudyError: it is not there, or cannot read what it is for.
    """
    settings = chosen.settings
    if chosen.learns:
        settings = type(settings).model_validate(settings.model_dump(exclude=set(WHILE_LEARNING)))
    found = _source(settings)
    if chosen.settings.output in {"first", "rest"} and not found.network.has_first:
        rule = f"has no first step that sums up, got output = {chosen.settings.output!r}"
        raise StudyError(
            Problem(f"model {settings.model!r}", rule, 'Set output = "mean" or "steps".')
        )
    return found


@lru_cache(maxsize=4)
def _source(settings: Reader) -> Source:
    found = _loaded(settings)
    if isinstance(settings, Learning):
        freeze_unused(found)
    return found


def _loaded(settings: Reader) -> Source:
    if settings.model in efficientnet.NAMES:
        return _efficientnet(settings)
    if isinstance(settings, Text):
        return text.source(settings)
    return images.source(settings) if isinstance(settings, Images) else sounds.source(settings)


def _efficientnet(settings: Reader) -> Source:
    if not isinstance(settings, Images):
        rule = "looks at images and reads nothing else"
        raise StudyError(Problem(f"model {settings.model!r}", rule, "Choose another network."))
    return efficientnet.source(settings.model)


@dataclass(frozen=True)
class Missing:
    """One view that is still to be computed."""

    chosen: Chosen
    view: View
    raw: tuple[Raw, Raw]


@dataclass(frozen=True)
class Plan:
    """A study's data with a view for each backbone that its trials may ask for."""

    data: SearchData
    backbones: Sequence[Chosen]

    def missing(self) -> list[Missing]:
        """Views that are to be computed before trials can start."""
        found = [
            Missing(one, self.data.views[one.key], self.data.raw[one.modality])
            for one in self.backbones
        ]
        return [one for one in found if not one.view.folder.is_dir()]


def planned(study: Study, schema: type[BaseModel], data: SearchData, *, folder: Path) -> Plan:
    """What a study's backbones need; nothing is computed yet.

    The data's fingerprint is then one of the networks too.

    Args:
        study: its published configuration and its space.
        schema: the method's `Config`.
        data: with raw modalities.
        folder: of views; all machines must see it.

    Raises:
        StudyError: a network that is not there, a backbone without anything raw to read, a raw
            modality that some trial would have no backbone for.
    """
    backbones = of_study(study, schema)
    problems = [*_without_raw(data, backbones), *_unread(study, data)]
    if problems:
        raise StudyError(problems)
    views = {chosen.key: _view(data, chosen, folder) for chosen in backbones}
    if views:
        names = sorted(view.folder.name for view in views.values())
        fingerprint = sha256("\n".join([data.fingerprint, *names]).encode()).hexdigest()
        data = replace(data, views=views, fingerprint=fingerprint)
    return Plan(data, backbones)


def _unread(study: Study, data: SearchData) -> Iterator[Problem]:
    """Arms under which a raw modality has nothing that reads it."""
    for name, width in data.task.modalities.items():
        branch = study.space.parameters.get(FIELDS.get(name, ""))
        if width == 0 and isinstance(branch, Branch) and "given" in branch.arms:
            rule = f"{data.task.dataset} has raw {name}, which needs a network that reads it"
            yield Problem(f"[space] {FIELDS[name]}.given", rule, "Take the arm out.")


def _without_raw(data: SearchData, backbones: Sequence[Chosen]) -> Iterator[Problem]:
    kinds = {modality: kind for kind, modality in MODALITIES.items()}
    for modality in dict.fromkeys(chosen.modality for chosen in backbones):
        if modality in data.raw:
            continue
        rule = f"{data.task.dataset} has no {TOLD[kinds[modality]]} that a network could read"
        way_out = 'Leave it out, which is kind = "given", or choose another dataset.'
        yield Problem(f"[published] {FIELDS[modality]}", rule, way_out)


def _view(data: SearchData, chosen: Chosen, folder: Path) -> View:
    found = source(chosen)
    said = (str(FORMAT), data.fingerprint, chosen.portable, found.identity)
    name = f"{chosen.modality}-{sha256(chr(0).join(said).encode()).hexdigest()[:24]}"
    return View((folder / name).resolve(), found.network.width, found.identity)


def compute(one: Missing, *, advance: Callable[[int], None] = lambda _: None) -> None:
    """Computes a view and puts it into its place.

    Args:
        one: what is missing.
        advance: told how many entries more are done.

    Raises:
        DataError: an image or a sound that cannot be read.
    """
    folder = one.view.folder
    made = [part for part in folder.parents if not part.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        for split, raw in zip(SPLITS, one.raw, strict=True):
            _write(partial / split, one.chosen, raw, advance)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            # Another process may have put it there meanwhile.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for part in made:
            # Those that hold something stay.
            with suppress(OSError):
                part.rmdir()


def _write(stem: Path, chosen: Chosen, raw: Raw, advance: Callable[[int], None]) -> None:
    """One split, the longest entries first, so that the table seldom has to grow."""
    found = source(chosen)
    network = found.network.eval().to(_device())
    table = _Table(stem.with_suffix(".npy"), len(raw), found.padding if chosen.learns else 0)
    lengths = np.zeros(len(raw), dtype=np.int64)
    order = sorted(range(len(raw)), key=lambda row: -len(raw.values[row]))
    for start in range(0, len(order), found.rows):
        rows = order[start : start + found.rows]
        made = found.read([raw.values[row] for row in rows])
        if not chosen.learns:
            made = _features(chosen, found, made)
        table.put(rows, made.values[:, : int(made.lengths.max())])
        lengths[rows] = made.lengths
        advance(len(rows))
    np.save(stem.with_name(f"{stem.name}_lengths.npy"), lengths)
    table.close()
    network.to("cpu")


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _features(chosen: Chosen, found: Source, read: Inputs) -> Inputs:
    values, lengths = (torch.from_numpy(part).to(_device()) for part in (read.values, read.lengths))
    with torch.no_grad():
        features, lengths = taken(chosen.settings.output, found.network(values, lengths))
    return Inputs(features.float().cpu().numpy(), lengths.cpu().numpy())


class _Table:
    """Rows of padded steps in a file, written in any order, however many steps a row has."""

    def __init__(self, path: Path, rows: int, padding: int) -> None:
        self._path = path
        self._rows = rows
        self._padding = padding
        self._values: np.memmap[Any, Any] | None = None

    def put(self, rows: Sequence[int], values: np.ndarray) -> None:
        """Writes some rows."""
        steps = values.shape[1]
        table = self._values
        if table is None or table.shape[1] < steps:
            table = self._values = self._grown(steps, values)
        table[rows, :steps] = values

    def close(self) -> None:
        """All is on disk."""
        assert self._values is not None, "a split has rows"
        self._values.flush()
        self._values = None

    def _grown(self, steps: int, like: np.ndarray) -> "np.memmap[Any, Any]":
        shape, wider = (self._rows, steps, *like.shape[2:]), self._path.with_suffix(".wider")
        table = open_memmap(wider, mode="w+", dtype=like.dtype, shape=shape)
        if self._padding:
            table[:] = self._padding
        if self._values is not None:
            table[:, : self._values.shape[1]] = self._values
        wider.replace(self._path)
        return table


def mapped(view: View, split: str) -> tuple[Tensor, Tensor]:
    """Values and lengths of one split of a view; values are mapped, nobody may write to them."""
    assert split in SPLITS
    values = np.load(view.folder / f"{split}.npy", mmap_mode="c")
    return torch.from_numpy(values), torch.from_numpy(np.load(view.folder / f"{split}_lengths.npy"))
