"""Reads N24News: news articles of 24 sections, each an image and a text of one type.

A folder has `news/nytimes_train.json`, `nytimes_dev.json` and `nytimes_test.json`, each a list of
objects with `section`, `image_id`, and the texts `headline`, `caption`, `abstract` and `article`
(or `body`, as the project's own builder writes it), and `imgs/<image_id>.jpg`.

Unusual: each type of text is a dataset of its own, for papers report them apart. Texts and images
are raw.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from mmsearch.datasets.base import VARIABLE, Dataset, Examples, SplitName, places
from mmsearch.datasets.labels import absent_classes, classification
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.task import Task
from mmsearch.errors import DataError, Problem, closest

CLASSES = (
    "Health",
    "Books",
    "Science",
    "Art & Design",
    "Television",
    "Style",
    "Travel",
    "Media",
    "Movies",
    "Food",
    "Dance",
    "Well",
    "Real Estate",
    "Fashion & Style",
    "Economy",
    "Technology",
    "Sports",
    "Your Money",
    "Theater",
    "Education",
    "Opinion",
    "Automobiles",
    "Music",
    "Global Business",
)
FILES: Mapping[SplitName, str] = {
    "train": "news/nytimes_train.json",
    "valid": "news/nytimes_dev.json",
    "test": "news/nytimes_test.json",
}
IMAGES = "imgs"
LAYOUT = "See mmsearch/datasets/n24news.py for the layout that is read."


@dataclass(frozen=True)
class N24News(Dataset):
    """N24News with one type of text."""

    name: str
    keys: tuple[str, ...]
    """What the text is called in the files: the first of them that an article has."""

    def check(self, folder: Path | None) -> None:
        """Raises DataError naming the files that are not there; of images the folder."""
        self._locate(folder)

    def read(
        self, splits: Sequence[SplitName], folder: Path | None
    ) -> Mapping[SplitName, Examples]:
        """Examples of these splits; the files and images of the others are not opened."""
        found = self._locate(folder)
        examples: dict[SplitName, Examples] = {
            split: self._examples(found, FILES[split]) for split in splits
        }
        if absent := absent_classes(examples["train"].label, CLASSES):
            raise _wrong(f"{found / FILES['train']}", f"no article has the section {absent}")
        return examples

    def task(self, train: Examples, folder: Path | None) -> Task:
        """Classification of the section."""
        return classification(self.name, train, CLASSES, metrics="topics")

    def _examples(self, folder: Path, file: str) -> Examples:
        articles = [self._article(place, entry) for place, entry in _entries(folder / file)]
        images = [folder / IMAGES / f"{article.image_id}.jpg" for article in articles]
        return Examples(
            inputs={},
            lengths={},
            label=torch.tensor([article.label for article in articles]),
            raw={
                "text": Raw("text", tuple(article.text for article in articles)),
                "vision": Raw.of_files("image", images, place=str(folder / file)),
            },
        )

    def _article(self, place: str, entry: object) -> "_Article":
        if not isinstance(entry, dict):
            raise _wrong(place, f"expected an object, got {type(entry).__name__}")
        said = cast("dict[str, Any]", entry)
        section = _text(place, said, "section")
        if section not in CLASSES:
            rule = f"no section is called {section!r}"
            raise _wrong(f"{place} section", rule, closest(section, CLASSES))
        number = said.get("image_id")
        image_id = str(number) if isinstance(number, int) else _text(place, said, "image_id")
        if not image_id:
            raise _wrong(f"{place} image_id", "is empty")
        key = next((key for key in self.keys if key in said), self.keys[0])
        return _Article(CLASSES.index(section), image_id, _text(place, said, key))

    def _locate(self, folder: Path | None) -> Path:
        looked = places(folder, "n24news", "N24News")
        if not looked:
            raise self._absent(f"no folder is given, neither by --data nor by {VARIABLE}")
        missing = {place: _missing(place) for place in looked}
        # The folder that has most of it, so that the few files that it lacks are named.
        best = min(looked, key=lambda place: len(missing[place]))
        if len(missing[best]) > len(FILES):
            raise self._absent(f"none of its files is in {', '.join(map(str, looked))}")
        if missing[best]:
            raise self._absent(f"{best} has no {', '.join(missing[best])}")
        return best

    def _absent(self, rule: str) -> DataError:
        return DataError(
            Problem(
                f"dataset {self.name!r}",
                rule,
                f"Its files ({', '.join(FILES.values())} and the folder {IMAGES}) come from the "
                "N24News project (billywzh717/N24News on GitHub); give their folder with --data, "
                f"or a folder that has n24news in it with {VARIABLE}.",
            )
        )


@dataclass(frozen=True)
class _Article:
    """What is taken of one."""

    label: int
    image_id: str
    text: str


def _missing(folder: Path) -> list[str]:
    files = [name for name in FILES.values() if not (folder / name).is_file()]
    return files if (folder / IMAGES).is_dir() else [*files, IMAGES]


def _entries(path: Path) -> Iterator[tuple[str, object]]:
    """What the list in a file holds, with its place for messages."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _wrong(str(path), f"is not JSON ({error})") from error
    if not isinstance(content, list) or not content:
        told = "an empty one" if isinstance(content, list) else type(content).__name__
        raise _wrong(str(path), f"expected a list of articles, got {told}")
    for number, entry in enumerate(cast("list[object]", content)):
        yield f"{path} [{number}]", entry


def _text(place: str, article: Mapping[str, Any], key: str) -> str:
    value = article.get(key)
    if not isinstance(value, str):
        told = f"expected a text, got {type(value).__name__}" if key in article else "is missing"
        raise _wrong(f"{place} {key}", told)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _wrong(f"{place} {key}", f"is not Unicode ({error})") from error
    return value


def _wrong(place: str, rule: str, way_out: str = LAYOUT) -> DataError:
    return DataError(Problem(place, rule, way_out))
