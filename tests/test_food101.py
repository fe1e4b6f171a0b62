"""The reader of UPMC Food-101: what is in it arrives cleaned, and mistakes are one error."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_food101 import CLASSES, Content, layout, write, write_table

from mmsearch import datasets
from mmsearch.datasets import food101, held_out
from mmsearch.errors import DataError


def test_a_folder_gives_train_carved_valid_and_held_out_test(tmp_path: Path) -> None:
    data = datasets.load("food101", folder=write(tmp_path))
    test = held_out.load("food101", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == (57, 3, 6)
    assert dict(data.task.modalities) == {"text": 0, "vision": 0}
    assert data.modalities_told == "text (raw text), vision (raw images)"
    assert test.raw["vision"].values[1] == str(
        tmp_path / "images" / "test" / "baby_back_ribs" / "baby_back_ribs_test_1.jpg"
    )
    assert test.raw["text"].values[1] == "page of baby back ribs test jpg"


def test_one_in_fourteen_of_each_class_is_valid_and_no_row_is_in_both(tmp_path: Path) -> None:
    data = datasets.load("food101", folder=write(tmp_path))
    assert data.valid.target.bincount().tolist() == [1, 1, 1]
    train, valid = (set(raw.values) for raw in data.raw["vision"])
    assert len(train | valid) == 60


def test_images_texts_and_labels_stay_together(tmp_path: Path) -> None:
    data = datasets.load("food101", folder=write(tmp_path))
    for split, batch in enumerate((data.train, data.valid)):
        images, texts = (data.raw[name][split].values for name in ("vision", "text"))
        for image, text, label in zip(images, texts, batch.target.tolist(), strict=True):
            name = CLASSES[label]
            assert Path(image).parent.name == name
            assert text.startswith(f"page of {name.replace('_', ' ')}")


def test_classes_are_named_by_the_annotation_in_the_order_of_the_labels(tmp_path: Path) -> None:
    content = layout()
    for rows in content.values():
        for row in rows:
            row["label"] = str(2 - int(row["label"]))
    task = datasets.load("food101", folder=write(tmp_path, content)).task
    assert task.classes == CLASSES[::-1]
    assert (task.loss_family, task.metrics, task.dataset) == (
        "classification",
        "topics",
        "food101",
    )


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param("Apple-Pie, 2 cups!", "apple pie cups", id="punctuation-and-digits"),
        pytest.param("don't  I\n\teat", "don eat", id="single-letters-and-space"),
        pytest.param("crème brûlée", "cr me br", id="no-ascii"),
        pytest.param("", "", id="empty"),
    ],
)
def test_pages_are_cleaned(page: str, text: str) -> None:
    assert food101.cleaned(page) == text


def test_a_page_that_is_no_utf_8_loses_its_broken_characters(tmp_path: Path) -> None:
    page = write(tmp_path) / "texts_txt" / "waffles" / "waffles_test_2.txt"
    page.write_bytes(b"Hot\xff waffles \xe9")
    assert held_out.load("food101", folder=tmp_path).raw["text"].values[2] == "hot waffles"


def test_a_search_opens_nothing_of_test(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "test.csv").write_text("broken")
    for image in (tmp_path / "images" / "test").rglob("*.jpg"):
        image.unlink()
    datasets.load("food101", folder=tmp_path)
    with pytest.raises(DataError, match=r"test\.csv: has no column 'id'"):
        held_out.load("food101", folder=tmp_path)


# Files that are not there


def test_without_any_folder_the_error_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"no folder is given.*UPMC Food-101.*--data"):
        datasets.check("food101")


def test_the_environment_names_a_folder_of_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "food101")
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    datasets.check("food101")


def test_an_empty_folder_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"none of train\.csv, .* is in {tmp_path}"):
        datasets.check("food101", folder=tmp_path)


@pytest.mark.parametrize("missing", ["test.csv", "texts_txt"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    (write(tmp_path) / missing).rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"{tmp_path} has no {missing}"):
        datasets.check("food101", folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param(
            "images/train/waffles/waffles_train_5.jpg",
            r"train\.csv: 1 of 60 files of raw images are missing: .*waffles_train_5\.jpg",
            id="image",
        ),
        pytest.param(
            "texts_txt/waffles/waffles_train_5.txt",
            r"train\.csv: 1 of 60 pages are missing: .*waffles_train_5\.txt",
            id="page",
        ),
    ],
)
def test_missing_images_and_pages_are_counted_and_named(
    tmp_path: Path, file: str, message: str
) -> None:
    (write(tmp_path) / file).unlink()
    with pytest.raises(DataError, match=message):
        datasets.load("food101", folder=tmp_path)


# Wrong tables


def put(row: int, **fields: str) -> Callable[[Content], object]:
    return lambda content: content["train"][row].update(fields)


def renamed(old: str, new: str) -> Callable[[Content], object]:
    def spoil(content: Content) -> None:
        content["train"] = [
            {new if key == old else key: value for key, value in row.items()}
            for row in content["train"]
        ]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            renamed("label", "labels"),
            r"has no column 'label'\. Did you mean 'labels'\?",
            id="column",
        ),
        pytest.param(
            put(3, label="1.5"),
            r"expected whole numbers from 0 as labels, got '1\.5' in row 4",
            id="no-label",
        ),
        pytest.param(
            put(4, label="0"),
            r"the label 0 is apple_pie and, in row 5, baby_back_ribs",
            id="two-names",
        ),
        pytest.param(put(5, label="7"), r"no row has the label 3", id="gap"),
        pytest.param(put(5, label="3"), "two labels have one annotation", id="two-labels"),
    ],
)
def test_a_wrong_table_is_one_error_with_its_place(
    tmp_path: Path, spoil: Callable[[Content], object], message: str
) -> None:
    content = layout()
    spoil(content)
    with pytest.raises(DataError, match=rf"train\.csv: {message}"):
        datasets.load("food101", folder=write(tmp_path, content))


@pytest.mark.parametrize(
    "fields", [{"label": "3"}, {"annotation": "waffle"}], ids=["label", "annotation"]
)
def test_a_class_of_test_must_be_one_of_train(tmp_path: Path, fields: dict[str, str]) -> None:
    content = layout()
    content["test"][2].update(fields)
    write(tmp_path, content)
    datasets.load("food101", folder=tmp_path)
    with pytest.raises(DataError, match=r"test\.csv: row 3 has the label .*, train\.csv has not"):
        held_out.load("food101", folder=tmp_path)


def test_too_few_rows_of_every_class_cannot_be_carved(tmp_path: Path) -> None:
    write_table(write(tmp_path) / "train.csv", layout()["train"][:30])
    with pytest.raises(DataError, match=r"too few rows .*, got 30, and no 14 of one class"):
        datasets.load("food101", folder=tmp_path)
