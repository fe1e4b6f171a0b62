"""Tables, descriptions and files beside them that are wrong, or hostile: clear errors."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_table import REGRESSION, ROWS, TOML, Rows, audio, load, rows, write

from mmsearch import datasets
from mmsearch.datasets import held_out
from mmsearch.errors import DataError

# Files that are not there


def test_without_a_folder_what_to_write_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"no folder is given.*write dataset\.toml as"):
        datasets.check("table")


def test_a_folder_without_a_description_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"no dataset\.toml is in {tmp_path}"):
        datasets.check("table", folder=tmp_path)


def test_all_files_that_are_missing_are_told_at_once_and_before_reading(tmp_path: Path) -> None:
    write(tmp_path)
    for file in ("items.csv", "steps.npy"):
        (tmp_path / file).unlink()
    with pytest.raises(DataError) as caught:
        datasets.check("table", folder=tmp_path)
    assert [problem.place for problem in caught.value.problems] == [
        f"{tmp_path / 'dataset.toml'} file",
        f"{tmp_path / 'dataset.toml'} arrays.audio_lengths",
    ]


def test_missing_images_are_one_error_with_their_number_and_the_first(tmp_path: Path) -> None:
    for row in (1, 5):
        (write(tmp_path) / "images" / f"item {row}.jpg").unlink()
    (tmp_path / "images" / "item 1.jpg").unlink()
    with pytest.raises(
        DataError,
        match=r"dataset\.toml columns\.vision: 2 of 12 files of raw images are missing: "
        r".*item 1\.jpg, .*item 5\.jpg\.",
    ) as caught:
        datasets.load("table", folder=tmp_path)
    assert len(caught.value.problems) == 1


def test_images_of_test_need_not_be_there_until_test_is_read(tmp_path: Path) -> None:
    (write(tmp_path) / "images" / "item 17.jpg").unlink()
    datasets.load("table", folder=tmp_path)
    with pytest.raises(DataError, match=r"columns\.vision: 1 of 3 files .*item 17\.jpg"):
        held_out.load("table", folder=tmp_path)


# The description


def test_all_mistakes_in_a_description_are_told_at_once(tmp_path: Path) -> None:
    toml = """
    file = "items.xls"
    spilt = "part"
    target = "colour"
    bound = -1.0
    [columns]
    text = 3
    vison = { files = "x" }
    audio = { files = "sound.wav" }
    """
    with pytest.raises(DataError) as caught:
        load(tmp_path, toml=toml)
    told = str(caught.value)
    assert len(caught.value.problems) == 7
    assert 'dataset.toml file: must end with .csv or .tsv, got "items.xls"' in told
    assert "dataset.toml split: is missing" in told
    assert "dataset.toml spilt: unknown key" in told
    assert "dataset.toml bound: must be greater than 0" in told
    assert "dataset.toml columns.text: must be a valid string, got 3" in told
    assert "dataset.toml columns.vison: unknown key" in told
    assert "dataset.toml columns.audio.files: must name a column in braces" in told


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param("{id.__class__}.jpg", "has no column 'id.__class__'", id="attribute"),
        pytest.param("{id[0]}.jpg", r"has no column 'id\[0\]'", id="index"),
        pytest.param("{id:>100}.jpg", "nothing else in them", id="format"),
        pytest.param("{id!r}.jpg", "nothing else in them", id="conversion"),
        pytest.param("{id:{part}}.jpg", "nothing else in them", id="nested"),
        pytest.param("{}.jpg", "must have names of columns in braces", id="no-name"),
        pytest.param("{id.jpg", r"columns\.vision\.files: expected '}' before end", id="open"),
        pytest.param("{{id}}.jpg", "must name a column in braces", id="doubled"),
        pytest.param("{image}.jpg", r"items\.csv: has no column 'image'", id="unknown"),
    ],
)
def test_the_name_of_a_file_takes_columns_and_nothing_else(
    tmp_path: Path, files: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, toml=TOML.replace("images/{id}.jpg", files))


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param("= 3", r"dataset\.toml: is not TOML", id="no-toml"),
        pytest.param(TOML.replace('"part"', '"prat"'), "no column 'prat'.*'part'", id="split"),
        pytest.param(TOML.replace('"colour"', '"color"'), "'color'.*'colour'", id="target"),
        pytest.param(TOML.replace('"words"', '"word"'), "'word'.*'words'", id="text"),
        pytest.param(
            TOML.partition("[columns]")[0],
            "expected two modalities or more, got none",
            id="no-modality",
        ),
        pytest.param(
            TOML.partition("vision")[0], "expected two modalities or more, got text", id="alone"
        ),
        pytest.param(
            TOML + 'target = "audio.npy"', r"arrays: target is no modality", id="reserved"
        ),
        pytest.param(TOML + 'notes = "notes.npz"', r"notes must be a file .*\.npy", id="suffix"),
        pytest.param(
            TOML + 'text_lengths = "steps.npy"',
            r"arrays text_lengths: there is no modality 'text'",
            id="lengths-of-nothing",
        ),
        pytest.param(
            TOML + 'my-view = "audio.npy"', "my-view: a modality's name is letters", id="name"
        ),
        pytest.param(
            "bound = 3.0\n" + TOML, "bound: has no effect on a classification", id="no-effect"
        ),
        pytest.param(
            'classes = ["a", "b"]\n' + REGRESSION,
            "classes: has no effect on a regression",
            id="classes-of-numbers",
        ),
        pytest.param(
            'metrics = "mosi"\n' + TOML, "'mosi' does not measure a classification", id="metrics"
        ),
        pytest.param(
            "bound = 1.0\n" + REGRESSION,
            r"items\.csv, rows of train: target: expected up to 1 once centred and scaled, got 3",
            id="beyond-the-bound",
        ),
        pytest.param(
            TOML.replace('"colour"', '"rating"'),
            r"target: column 'rating' holds numbers such as -0\.5\. Say loss = \"regression\"",
            id="numbers-as-classes",
        ),
        pytest.param(
            TOML.replace('"colour"', '"id"'),
            "column 'id' has another value in every row of train",
            id="names-of-rows",
        ),
        pytest.param(
            'loss = "regression"\n' + TOML,
            r"items\.csv colour, row 1: expected a finite number, got 'red'",
            id="names-as-numbers",
        ),
        pytest.param(
            'classes = ["red", "green"]\n' + TOML,
            r"items\.csv colour, row 3: expected one of the classes, got 'blue'\. Known",
            id="class-left-out",
        ),
        pytest.param(
            'classes = ["red", "green", "blue", "grey"]\n' + TOML,
            r"rows of train: target: no row has the class grey \(3\)",
            id="unused-class",
        ),
        pytest.param(
            'classes = ["red", "green", "blue", "red"]\n' + TOML, "names must differ", id="same"
        ),
    ],
)
def test_a_description_that_does_not_fit_is_an_error(
    tmp_path: Path, toml: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, toml=toml)
    assert len(caught.value.problems) == 1


# The table


def put(row: int, **fields: str) -> Callable[[Rows], object]:
    return lambda table: table[row].update(fields)


def everywhere(**fields: str) -> Callable[[Rows], object]:
    return lambda table: [row.update(fields) for row in table]


def without(split: str) -> Callable[[Rows], object]:
    def spoil(table: Rows) -> None:
        table[:] = [row for row in table if row["part"] != split]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            put(3, part="trian"),
            r"items\.csv, row 4: expected a split, got 'trian'\. Did you mean 'train'\?",
            id="misspelt-split",
        ),
        pytest.param(put(3, part=""), "row 4: expected a split, got ''", id="no-split"),
        pytest.param(
            without("test"), "part: no row has the split test. Put rows aside", id="no-test"
        ),
        pytest.param(without("train"), "part: no row has the split train", id="no-train"),
        pytest.param(put(3, colour=" "), "colour, row 4: the target is empty", id="no-target"),
        pytest.param(
            put(13, colour="violet"),
            "colour, row 14: expected one of the classes, got 'violet'",
            id="new-in-valid",
        ),
        pytest.param(
            everywhere(colour="red"), "rows of train: target: there is one class", id="one-class"
        ),
        pytest.param(list.clear, "has no rows below its header", id="empty"),
    ],
)
def test_a_wrong_table_is_one_clear_error(
    tmp_path: Path, spoil: Callable[[Rows], object], message: str
) -> None:
    table = rows()
    spoil(table)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, table=table)
    (problem,) = caught.value.problems
    assert problem.place.startswith(str(tmp_path / "items.csv"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("good", "rating, row 2: expected a finite number, got 'good'", id="text"),
        pytest.param("nan", "rating, row 2: expected a finite number, got 'nan'", id="nan"),
        pytest.param("1,5", "rating, row 2: expected a finite number, got '1,5'", id="comma"),
        pytest.param("", "rating, row 2: the target is empty", id="empty"),
    ],
)
def test_a_number_to_regress_is_one(tmp_path: Path, value: str, message: str) -> None:
    table = rows()
    table[1]["rating"] = value
    with pytest.raises(DataError, match=message):
        load(tmp_path, table=table, toml=REGRESSION)


def test_one_number_everywhere_is_nothing_to_regress(tmp_path: Path) -> None:
    table = rows()
    everywhere(rating="1.5")(table)
    with pytest.raises(DataError, match=r"rows of train: target: every row has 1\.5"):
        load(tmp_path, table=table, toml=REGRESSION)


def test_too_few_rows_cannot_be_carved(tmp_path: Path) -> None:
    table = [row for row in rows() if row["part"] != "valid"]
    for features in ("audio", "steps"):
        np.save(tmp_path / f"{features}.npy", np.ones(len(table)))
    toml = TOML.partition("[arrays]")[0]
    with pytest.raises(DataError, match=r"items\.csv, rows of train: has too few rows to carve"):
        load(tmp_path, table=table, toml=toml)


# Arrays


def stained(row: int, value: float) -> np.ndarray:
    features = audio()
    features[row] = value
    return features


@pytest.mark.parametrize(
    ("file", "array", "message"),
    [
        pytest.param(
            "audio",
            np.ones((ROWS - 1, 5, 2)),
            r"audio\.npy: has 18 rows, items\.csv has 19\. Save a row for every row",
            id="rows-disagree",
        ),
        pytest.param(
            "audio",
            stained(4, np.nan),
            r"dataset\.toml arrays audio: expected finite numbers, row 5 has others",
            id="nan",
        ),
        pytest.param(
            "audio", np.ones(ROWS), r"arrays audio: expected numbers as \(rows, f", id="no-features"
        ),
        pytest.param("audio", np.array(3.0), "cannot be read as an array", id="one-number"),
        pytest.param(
            "audio", np.array([["a"]] * ROWS), "audio: expected numbers .*got <U1", id="text"
        ),
        pytest.param(
            "steps",
            np.full(ROWS, 6),
            "audio_lengths: expected 1 to 5 steps, row 1 has 6",
            id="length-too-long",
        ),
        pytest.param(
            "steps", np.ones(ROWS), "audio_lengths: expected 12 whole numbers", id="lengths-floats"
        ),
    ],
)
def test_wrong_arrays_are_one_clear_error(
    tmp_path: Path, file: str, array: Any, message: str
) -> None:
    np.save(write(tmp_path) / f"{file}.npy", array)
    with pytest.raises(DataError, match=message):
        datasets.load("table", folder=tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4 and then nothing", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x05\x00{(,["],
)
def test_a_damaged_array_is_named(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "audio.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"audio\.npy: cannot be read as an array"):
        datasets.load("table", folder=tmp_path)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.path.touch, ())


@pytest.mark.parametrize("how", ["objects", "pickle"])
def test_nothing_is_unpickled(tmp_path: Path, how: str) -> None:
    trap = Trap(tmp_path / "sprung")
    file = write(tmp_path) / "audio.npy"
    if how == "objects":
        np.save(file, np.array([trap] * ROWS, dtype=object), allow_pickle=True)
    else:
        file.write_bytes(pickle.dumps(trap))
    with pytest.raises(DataError, match=r"audio\.npy: cannot be read as an array"):
        datasets.load("table", folder=tmp_path)
    assert not (tmp_path / "sprung").exists()
