"""The reader of tables: what is in them and beside them arrives as it is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_table import COLOURS, REGRESSION, SPLITS, TOML, audio, load, rows, write

from mmsearch import datasets
from mmsearch.datasets import carving, held_out
from mmsearch.errors import DataError


def test_a_table_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = load(tmp_path)
    test = held_out.load("table", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == (12, 4, 3)
    assert dict(data.task.modalities) == {"text": 0, "vision": 0, "audio": 2}
    assert data.modalities_told == "text (raw text), vision (raw images), audio 2"
    assert test.raw["vision"].values[0] == str(tmp_path / "images" / "item 16.jpg")


def test_texts_files_and_features_of_a_row_stay_together_in_any_order_of_splits(
    tmp_path: Path,
) -> None:
    table = rows()
    for row, split in zip(table, np.random.default_rng(0).permutation(SPLITS), strict=True):
        row["part"] = str(split)
    data = load(tmp_path, table=table)
    test = held_out.load("table", folder=tmp_path)
    splits = {
        "train": (data.train, {name: pair[0] for name, pair in data.raw.items()}),
        "valid": (data.valid, {name: pair[1] for name, pair in data.raw.items()}),
        "test": (test.batch, test.raw),
    }
    for split, (batch, raw) in splits.items():
        expected = [number for number, row in enumerate(table) if row["part"] == split]
        assert raw["text"].values == tuple(table[number]["words"] for number in expected)
        assert raw["vision"].values == tuple(
            str(tmp_path / "images" / f"{table[number]['id']}.jpg") for number in expected
        )
        names = [data.task.classes[label] for label in batch.target.tolist()]
        assert names == [table[number]["colour"] for number in expected]
        for place, number in enumerate(expected):
            length = number % 5 + 1
            assert int(batch.lengths["audio"][place]) == length
            features = torch.from_numpy(audio()[number])
            features[length:] = 0
            assert torch.equal(batch.inputs["audio"][place], features)


def test_a_modality_may_be_raw_and_have_features_too(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.ones((len(SPLITS), 7), dtype=np.float16))
    data = load(tmp_path, toml=f'{TOML}\ntext = "text.npy"\n')
    assert data.modalities_told == "text 7 (and raw text), vision (raw images), audio 2"
    assert data.train.inputs["text"].shape == (12, 1, 7)
    assert data.train.inputs["text"].dtype == torch.float32


def test_features_alone_are_a_dataset_too(tmp_path: Path) -> None:
    toml = TOML.partition("[columns]")[0] + '[arrays]\none = "audio.npy"\ntwo = "audio.npy"\n'
    data = load(tmp_path, toml=toml)
    assert dict(data.task.modalities) == {"one": 2, "two": 2}
    assert dict(data.raw) == {}


def test_sounds_are_files_as_images_are(tmp_path: Path) -> None:
    toml = TOML.partition("[arrays]")[0] + 'audio = { files = "{part}/{id}.wav" }\n'
    for row in rows():
        (tmp_path / row["part"]).mkdir(exist_ok=True)
        (tmp_path / row["part"] / f"{row['id']}.wav").touch()
    sounds = load(tmp_path, toml=toml).raw["audio"][1]
    assert (sounds.kind, sounds.values[0]) == ("sound", str(tmp_path / "valid" / "item 12.wav"))


def test_a_description_may_lie_elsewhere_than_what_it_describes(tmp_path: Path) -> None:
    there = write(tmp_path / "there")
    toml = TOML.replace('"items.csv"', f'"{there}/items.csv"').replace(
        '"images/', f'"{there}/images/'
    )
    for name in ("audio", "steps"):
        toml = toml.replace(f'"{name}.npy"', f'"{there}/{name}.npy"')
    here = tmp_path / "here"
    here.mkdir()
    (here / "dataset.toml").write_text(toml)
    data = datasets.load("table", folder=here)
    assert data.fingerprint == datasets.load("table", folder=there).fingerprint


def test_a_tsv_is_read_as_a_csv_is(tmp_path: Path) -> None:
    write(tmp_path, toml=TOML.replace("items.csv", "items.tsv"))
    lines = ["\t".join(rows()[0])]
    lines += ["\t".join(value.replace("\n", " ") for value in row.values()) for row in rows()]
    (tmp_path / "items.tsv").write_text("\n".join(lines).replace('"', ""))
    assert datasets.load("table", folder=tmp_path).raw["text"][0].values[3] == "It is 3, or so"


def test_the_folder_named_table_is_found_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "table")
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    assert len(datasets.load("table").train) == 12


def test_paths_are_absolute_even_if_the_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    data = datasets.load("table", folder=Path("mine"))
    assert data.raw["vision"][0].values[0] == str(tmp_path / "mine" / "images" / "item 0.jpg")


# Targets


def test_names_are_classes_sorted(tmp_path: Path) -> None:
    data = load(tmp_path)
    assert data.task.classes == ("blue", "green", "red")
    assert (data.task.loss_family, data.task.metrics, data.task.bound) == (
        "classification",
        "multiclass",
        0.0,
    )
    assert [data.task.classes[k] for k in data.train.target.tolist()] == [*COLOURS] * 4


def test_classes_may_be_put_in_order(tmp_path: Path) -> None:
    toml = 'classes = ["red", "green", "blue"]\nmetrics = "topics"\nname = "items"\n' + TOML
    task = load(tmp_path, toml=toml).task
    assert (task.classes, task.metrics, task.dataset) == (COLOURS, "topics", "items")
    assert task.train_target.tolist() == [0, 1, 2] * 4


def test_whole_numbers_are_classes_sorted_by_size(tmp_path: Path) -> None:
    task = load(tmp_path, toml=TOML.replace('"colour"', '"stars"')).task
    assert task.classes == ("8", "9", "10", "11")
    assert task.train_target.tolist() == [0, 1, 2, 3] * 3


def test_numbers_are_regressed_if_the_description_says_so(tmp_path: Path) -> None:
    data = load(tmp_path, toml='metrics = "mosi"\nbound = 6.0\n' + REGRESSION)
    assert (data.task.loss_family, data.task.metrics, data.task.bound) == (
        "regression",
        "mosi",
        6.0,
    )
    assert data.train.target.tolist() == [row / 2 - 3 for row in range(12)]


def test_what_the_description_centres_and_scales_reaches_test_too(tmp_path: Path) -> None:
    data = load(tmp_path, toml="center = 1\nscale = 2.0\n" + REGRESSION)
    assert data.valid.target.tolist() == [(row / 2 - 3 - 1) / 2 for row in range(12, 16)]
    test = held_out.load("table", folder=tmp_path).batch
    assert test.target.tolist() == [(row / 2 - 3 - 1) / 2 for row in range(16, 19)]


# Splits


@pytest.mark.parametrize("word", ["valid", "val", "dev", "Valid", " VAL "])
def test_valid_goes_by_its_usual_names(tmp_path: Path, word: str) -> None:
    table = rows()
    for row in table:
        row["part"] = row["part"].replace("valid", word)
    assert len(load(tmp_path, table=table).valid) == 4


@pytest.mark.parametrize("toml", [TOML, REGRESSION], ids=["classes", "numbers"])
def test_without_valid_rows_some_are_carved_out_of_train(tmp_path: Path, toml: str) -> None:
    table = rows()
    for row in table:
        row["part"] = row["part"].replace("valid", "train")
    data = load(tmp_path, table=table, toml=toml)
    label = torch.cat([data.train.target, data.valid.target])
    assert (len(data.train), len(data.valid), len(label)) == (13, 3, 16)
    whole = torch.tensor(
        [data.task.classes.index(row["colour"]) for row in table[:16]]
        if data.task.classes
        else [float(row["rating"]) for row in table[:16]]
    )
    mask = carving.valid_rows(whole, place="here")
    assert torch.equal(data.valid.target, whole[mask])
    images = [Path(path).stem for path in data.raw["vision"][1].values]
    assert images == [f"item {row}" for row in torch.nonzero(mask)[:, 0].tolist()]


def test_a_search_sees_no_value_of_test(tmp_path: Path) -> None:
    before = load(tmp_path / "before")
    table = rows()
    for row in table[16:]:
        row.update(words="", colour="violet", id="nowhere", rating="?")
    folder = write(tmp_path / "after", table=table)
    features = audio()
    features[16:] = np.nan
    np.save(folder / "audio.npy", features)
    after = datasets.load("table", folder=folder)
    assert after.fingerprint == before.fingerprint
    assert after.task.classes == before.task.classes
    with pytest.raises(DataError, match=r"items\.csv colour, row 17: expected one of the classes"):
        held_out.load("table", folder=folder)


# Real data


FLIPKART = """
name = "flipkart1050"
file = "{there}/flipkart.csv"
split = "split"
target = "category"
metrics = "topics"
[columns]
text = "description"
vision = {{ files = "{there}/images/{{image_id}}.jpg" }}
[arrays]
text = "{there}/txt_minilm.npy"
vision = "{there}/img_effnetlite0.npy"
"""
MOSI = """
file = "{there}/mosi.csv"
split = "{split}"
target = "label"
loss = "regression"
metrics = "mosi"
bound = 3.0
[columns]
text = "text"
[arrays]
audio = "{there}/audio_utt.npy"
"""


def test_products_with_texts_images_and_features_are_read(
    tmp_path: Path, real_data: Callable[[str], Path]
) -> None:
    (tmp_path / "dataset.toml").write_text(FLIPKART.format(there=real_data("flipkart1050")))
    data = datasets.load("table", folder=tmp_path)
    test = held_out.load("table", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == (732, 104, 211)
    assert data.modalities_told == "text 384 (and raw text), vision 1280 (and raw images)"
    assert len(data.task.classes) == 7
    assert data.task.classes[0] == "Baby Care"


@pytest.mark.parametrize(
    ("split", "sizes"), [("split_official", (1284, 229, 686)), ("split_bclstm", (1158, 289, 752))]
)
def test_utterances_are_read_by_either_split(
    tmp_path: Path, real_data: Callable[[str], Path], split: str, sizes: tuple[int, int, int]
) -> None:
    toml = MOSI.format(there=real_data("mosi"), split=split)
    (tmp_path / "dataset.toml").write_text(toml)
    data = datasets.load("table", folder=tmp_path)
    test = held_out.load("table", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == sizes
    assert data.modalities_told == "text (raw text), audio 73"
    assert (data.task.bound, data.task.metrics) == (3.0, "mosi")
