"""The reader of N24News: what is in it arrives as it is, and mistakes are one error."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_n24news import Content, layout, write

from mmsearch import datasets
from mmsearch.datasets import held_out
from mmsearch.errors import DataError

NAME = "n24news_headline"


def test_a_folder_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = datasets.load(NAME, folder=write(tmp_path, layout()))
    test = held_out.load(NAME, folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == (30, 5, 4)
    assert dict(data.task.modalities) == {"text": 0, "vision": 0}
    assert data.modalities_told == "text (raw text), vision (raw images)"
    assert test.raw["vision"].values[3] == str(tmp_path / "imgs" / "test-3.jpg")
    assert test.raw["text"].values[0] == "Headline test-0"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n24news_headline", "Headline valid-2"),
        ("n24news_caption", "Caption valid-2"),
        ("n24news_abstract", "Abstract valid-2"),
        ("n24news_article", "Body valid-2"),
    ],
)
def test_each_type_of_text_is_a_dataset(tmp_path: Path, name: str, text: str) -> None:
    data = datasets.load(name, folder=write(tmp_path, layout()))
    assert data.task.dataset == name
    assert data.raw["text"][1].values[2] == text
    assert data.raw["vision"][1].values[2] == str(tmp_path / "imgs" / "valid-2.jpg")


def test_the_body_as_the_builder_writes_it_is_the_article(tmp_path: Path) -> None:
    content = layout()
    for split in content.values():
        for article in split:
            article["body"] = article.pop("article")
    data = datasets.load("n24news_article", folder=write(tmp_path, content))
    assert data.raw["text"][0].values[7] == "Body train-7"


def test_the_24_sections_are_numbered_as_the_project_numbers_them(tmp_path: Path) -> None:
    task = datasets.load(NAME, folder=write(tmp_path, layout())).task
    assert (len(task.classes), task.loss_family, task.metrics) == (24, "classification", "topics")
    assert [task.classes[number] for number in (0, 3, 13, 23)] == [
        "Health",
        "Art & Design",
        "Fashion & Style",
        "Global Business",
    ]
    assert task.train_target.tolist() == [row % 24 for row in range(30)]


def test_a_search_opens_neither_file_nor_images_of_test(tmp_path: Path) -> None:
    write(tmp_path, layout())
    (tmp_path / "news" / "nytimes_test.json").write_text("broken")
    (tmp_path / "imgs" / "test-0.jpg").unlink()
    datasets.load(NAME, folder=tmp_path)
    with pytest.raises(DataError, match=r"nytimes_test\.json: is not JSON"):
        held_out.load(NAME, folder=tmp_path)


def test_an_image_id_that_is_a_number_is_read(tmp_path: Path) -> None:
    content = layout()
    content["train"][0]["image_id"] = 17
    (write(tmp_path, content) / "imgs" / "17.jpg").touch()
    raw = datasets.load(NAME, folder=tmp_path).raw["vision"][0]
    assert raw.values[0] == str(tmp_path / "imgs" / "17.jpg")


@pytest.mark.parametrize("changed", ["text", "image"])
def test_another_text_or_image_changes_the_fingerprint(tmp_path: Path, changed: str) -> None:
    content = layout()
    before = datasets.load(NAME, folder=write(tmp_path, content)).fingerprint
    if changed == "text":
        content["valid"][0]["headline"] = "Another"
    write(tmp_path, content)
    if changed == "image":
        (tmp_path / "imgs" / "valid-0.jpg").write_bytes(b"another")
    assert datasets.load(NAME, folder=tmp_path).fingerprint != before


# Files that are not there


def test_without_any_folder_the_error_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"no folder is given.*billywzh717/N24News on GitHub"):
        datasets.check(NAME)


@pytest.mark.parametrize("place", ["n24news", "N24News"])
def test_all_types_of_text_are_found_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write(tmp_path / place, layout())
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    for name in (NAME, "n24news_caption"):
        datasets.check(name)


def test_an_empty_folder_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"none of its files is in {tmp_path}"):
        datasets.check(NAME, folder=tmp_path)


@pytest.mark.parametrize("missing", ["news/nytimes_test.json", "imgs"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    path = write(tmp_path, layout()) / missing
    path.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"{tmp_path} has no {missing}"):
        datasets.check(NAME, folder=tmp_path)


def test_missing_images_are_one_error_with_their_number_and_the_first(tmp_path: Path) -> None:
    write(tmp_path, layout())
    for row in (3, 4, 5, 9):
        (tmp_path / "imgs" / f"train-{row}.jpg").unlink()
    with pytest.raises(
        DataError,
        match=r"nytimes_train\.json: 4 of 30 files of raw images are missing: "
        r".*train-3\.jpg, .*train-4\.jpg, .*train-5\.jpg, \.\.\.",
    ) as caught:
        datasets.load(NAME, folder=tmp_path)
    assert len(caught.value.problems) == 1


# Wrong files


def without(key: str) -> Callable[[Content], object]:
    return lambda content: content["train"][2].pop(key)


def put(key: str, value: object) -> Callable[[Content], object]:
    return lambda content: content["train"][2].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(without("section"), r"\[2\] section: is missing", id="no-section"),
        pytest.param(without("image_id"), r"\[2\] image_id: is missing", id="no-image"),
        pytest.param(without("headline"), r"\[2\] headline: is missing", id="no-text"),
        pytest.param(
            put("headline", None), r"\[2\] headline: expected a text, got NoneType", id="null"
        ),
        pytest.param(put("headline", "\ud800"), r"\[2\] headline: is not Unicode", id="no-unicode"),
        pytest.param(put("image_id", ""), r"\[2\] image_id: is empty", id="empty-image"),
        pytest.param(
            put("section", "Sport"),
            r"\[2\] section: no section is called 'Sport'\. Did you mean 'Sports'\?",
            id="misspelt",
        ),
        pytest.param(
            lambda content: content["train"].insert(2, 7),
            r"\[2\]: expected an object, got int",
            id="number",
        ),
        pytest.param(
            lambda content: content["train"].clear(), "expected a list of articles", id="empty"
        ),
        pytest.param(
            lambda content: content.update(train=content["train"][:23]),
            r"no article has the section Global Business \(23\)",
            id="absent-section",
        ),
    ],
)
def test_a_bad_layout_is_one_error_with_place_and_rule(
    tmp_path: Path, spoil: Callable[[Content], object], message: str
) -> None:
    content = layout()
    spoil(content)
    with pytest.raises(DataError, match=rf"nytimes_train\.json.*{message}") as caught:
        datasets.load(NAME, folder=write(tmp_path, content))
    (problem,) = caught.value.problems
    assert problem.way_out


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param(b"", "is not JSON", id="empty"),
        pytest.param(b"[{", "is not JSON", id="cut-off"),
        pytest.param(b"[" * 100000, "is not JSON", id="deep"),
        pytest.param(b'["\xff\xfe"]', "is not JSON", id="no-utf-8"),
        pytest.param(json.dumps({"a": 1}).encode(), "expected a list of articles", id="object"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, written: bytes, message: str) -> None:
    (write(tmp_path, layout()) / "news" / "nytimes_dev.json").write_bytes(written)
    with pytest.raises(DataError, match=rf"nytimes_dev\.json: {message}"):
        datasets.load(NAME, folder=tmp_path)
