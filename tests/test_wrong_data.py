"""Data files that are wrong, as a user meets them: `data` and `tune` answer, nothing is written."""

import csv
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import toy_arrays
import toy_food101
import toy_mogonet
import toy_n24news
import toy_table
from pyarrow import parquet
from wrong_inputs import Make, checked, holds, tuned

Arrays = Mapping[str, Any]
HUGE = 10**12


def header(shape: object, *, dtype: object = "<f4", body: bytes = b"") -> bytes:
    """The bytes of an npy file that claims this shape."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def arrays(toml: str = "", *, classes: int = 0, split: str = "train", **changed: Any) -> Make:
    """Named arrays, some of a split replaced, or left out where None."""

    def make(folder: Path) -> None:
        content = toy_arrays.content(classes=classes)
        content[split] |= {name: np.asarray(value) for name, value in changed.items()}
        toy_arrays.write(folder, content, toml=toml)

    return make


def archive(**members: bytes) -> Make:
    """Named arrays whose train has these members as they are."""

    def make(folder: Path) -> None:
        toy_arrays.write(folder, toy_arrays.content())
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
            for name, member in members.items():
                file.writestr(f"{name}.npy", member)
        (folder / "train.npz").write_bytes(content.getvalue())

    return make


def spoiled_archive(spoil: Callable[[bytearray], object]) -> Make:
    def make(folder: Path) -> None:
        path = toy_arrays.write(folder, toy_arrays.content()) / "train.npz"
        content = bytearray(path.read_bytes())
        spoil(content)
        path.write_bytes(content)

    return make


def encrypted(content: bytearray) -> None:
    """Both headers of the first member say so."""
    content[content.find(b"PK\x01\x02") + 8] |= 1
    content[content.find(b"PK\x03\x04") + 6] |= 1


def compressed_otherwise(content: bytearray) -> None:
    content[content.find(b"PK\x01\x02") + 10] = 99


def columns(**named: Any) -> Make:
    """A parquet train of 20 rows."""

    def make(folder: Path) -> None:
        (toy_arrays.write(folder, toy_arrays.content()) / "train.npz").unlink()
        target = pa.array(np.linspace(-1, 1, 20))
        parquet.write_table(pa.table({"target": target, **named}), folder / "train.parquet")

    return make


def damaged_parquet(folder: Path) -> None:
    (toy_arrays.write(folder, toy_arrays.content()) / "train.npz").unlink()
    (folder / "train.parquet").write_bytes(b"PAR1 and PAR1")


PAIRS = pa.array([[1.0, 2.0]] * 20)
ARRAYS = [
    pytest.param(
        archive(target=header((HUGE,))), ("claims float32 of shape (1000000000000,)",), id="claim"
    ),
    pytest.param(
        archive(target=header((10**18, 10**18))), ("cannot be read as named arrays",), id="overflow"
    ),
    pytest.param(archive(target=header("(" * 5000)), ("cannot be read as",), id="a deep header"),
    pytest.param(
        archive(target=header((3,), dtype="f4,(1 2)f4")), ("SyntaxError",), id="a dtype of syntax"
    ),
    pytest.param(archive(target=b"hello"), ("magic string",), id="a member that is no array"),
    pytest.param(
        archive(target=header((300,), body=bytes(12))), ("holds 12 bytes",), id="cut off inside"
    ),
    pytest.param(spoiled_archive(encrypted), ("encrypted",), id="encrypted"),
    pytest.param(spoiled_archive(compressed_otherwise), ("not supported",), id="compression"),
    pytest.param(
        spoiled_archive(lambda content: content.__delitem__(slice(500, None))),
        ("BadZipFile",),
        id="cut off",
    ),
    pytest.param(spoiled_archive(bytearray.clear), ("cannot be read as",), id="empty file"),
    pytest.param(
        arrays(notes=[{}] * 20), ("Object arrays cannot be loaded",), id="pickled objects"
    ),
    pytest.param(arrays(notes=np.ones((19, 4))), ("19 rows, the target has 20",), id="rows"),
    pytest.param(arrays(notes=np.ones(20)), ("got float64 of shape (20,)",), id="shape"),
    pytest.param(arrays(notes=np.ones((20, 4), complex)), ("got complex128",), id="complex"),
    pytest.param(
        arrays(target=[np.nan] * 20), ("target: expected finite numbers, row 0",), id="NaN labels"
    ),
    pytest.param(
        arrays(split="valid", target=np.zeros(0)), ("the split is empty",), id="an empty split"
    ),
    pytest.param(
        arrays(target=np.zeros(20, int), classes=2), ("there is one class",), id="one class"
    ),
    pytest.param(
        arrays(target=[2**40] * 20), ("classes from 0 without gaps, got 1099",), id="a far class"
    ),
    pytest.param(
        arrays(split="valid", target=[0, 1, 0, 1, 0, 5], classes=2),
        ("expected classes from 0 to 1, got 5",),
        id="a label out of bounds",
    ),
    pytest.param(arrays("x = ["), ("dataset.toml: is not TOML", "Write key"), id="no TOML"),
    pytest.param(arrays("x = " + "[" * 9999), ("is not TOML (maximum rec",), id="deep TOML"),
    pytest.param(arrays("scal = 2.0"), ("Did you mean 'scale'?",), id="an unknown key"),
    pytest.param(
        arrays("scale = 1e-300"), ("once centred and scaled, got inf",), id="a tiny scale"
    ),
    pytest.param(
        arrays('classes = ["a", "a", "b"]', classes=3), ("must differ",), id="names of classes"
    ),
    pytest.param(arrays('loss = "classification"'), ("needs whole numbers",), id="another loss"),
    pytest.param(damaged_parquet, ("train.parquet: cannot be read",), id="damaged parquet"),
    pytest.param(columns(a=pa.array([[]] * 20), b=PAIRS), ("a: ",), id="lists of nothing"),
    pytest.param(
        columns(a=pa.array([{"x": 1}] * 20), b=PAIRS), ("a: expected numbers",), id="structures"
    ),
    pytest.param(
        columns(a=pa.array([[1.0, None]] * 20), b=PAIRS), ("20 values are missing",), id="nulls"
    ),
]


@pytest.mark.parametrize(("make", "words"), ARRAYS)
def test_wrong_arrays_are_answered(tmp_path: Path, make: Make, words: tuple[str, ...]) -> None:
    make(tmp_path / "own")
    holds(checked(tmp_path, "arrays", "--data", "own"), *words)


def table(toml: str = toy_table.TOML, **changed: str) -> Make:
    """A table, some columns of which say something else in every row."""
    return lambda folder: toy_table.write(
        folder, table=[row | changed for row in toy_table.rows()], toml=toml
    )


def beside(name: str, content: bytes) -> Make:
    """A table, one file of which is something else."""
    return lambda folder: (toy_table.write(folder) / name).write_bytes(content)


def said(old: str, new: str) -> Make:
    assert old in toy_table.TOML
    return lambda folder: toy_table.write(folder, toml=toy_table.TOML.replace(old, new))


TABLES = [
    pytest.param(table(part="traim"), ("expected a split, got 'traim'",), id="a split"),
    pytest.param(table(part="train"), ("no row has the split test",), id="no test"),
    pytest.param(table(colour="red"), ("there is one class",), id="one class"),
    pytest.param(table(colour=""), ("row 1: the target is empty",), id="no target"),
    pytest.param(table(id="x" * 999), ("file name too long", "Mend"), id="a long name of a file"),
    pytest.param(table(id="../../a"), ("12 of 12 files of raw images are missing",), id="images"),
    pytest.param(
        table(toy_table.REGRESSION, rating="nan"), ("finite number, got 'nan'",), id="NaN target"
    ),
    pytest.param(
        table(toy_table.REGRESSION, rating="1e300"), ("finite numbers, row 1",), id="a huge target"
    ),
    pytest.param(beside("items.csv", b""), ("has no column 'part'", "Begin it"), id="empty csv"),
    pytest.param(beside("items.csv", b"\xff\xfe"), ("UnicodeDecodeError",), id="csv in UTF-16"),
    pytest.param(
        beside("items.csv", b'id,words,colour,rating,stars,part\n1,"a'),
        ("unexpected end of data",),
        id="a cut off csv",
    ),
    pytest.param(
        beside("items.csv", b"id,words,colour,rating,stars,part\n"), ("no rows",), id="a header"
    ),
    pytest.param(
        beside("audio.npy", header((19, HUGE))), ("cannot be read as an array",), id="a claim"
    ),
    pytest.param(beside("audio.npy", header((19, 10**30))), ("cannot be read",), id="overflow"),
    pytest.param(beside("audio.npy", header((19, -3))), ("cannot be read",), id="a negative size"),
    pytest.param(beside("audio.npy", b""), ("cannot be read as an array",), id="empty npy"),
    pytest.param(said('"audio.npy"', "3"), ("arrays.audio: must be a valid string",), id="a type"),
    pytest.param(said("{id}", "{id!r}"), ("must have names of columns",), id="a format string"),
    pytest.param(said("items.csv", "items.xlsx"), ("must end with .csv or .tsv",), id="a sheet"),
    pytest.param(said('"audio.npy"', '"absent.npy"'), ("there is no file",), id="no array"),
]


@pytest.mark.parametrize(("make", "words"), TABLES)
def test_a_wrong_table_is_answered(tmp_path: Path, make: Make, words: tuple[str, ...]) -> None:
    make(tmp_path / "own")
    holds(checked(tmp_path, "table", "--data", "own"), *words)


def omics(name: str, row: int, text: str) -> Make:
    return lambda folder: toy_mogonet.change(toy_mogonet.write(folder) / name, row, text)


def news(change: Callable[[dict[str, Any]], object]) -> Make:
    def make(folder: Path) -> None:
        content = toy_n24news.layout()
        change(content["train"][0])
        toy_n24news.write(folder, content)

    return make


def news_file(content: str) -> Make:
    def make(folder: Path) -> None:
        toy_n24news.write(folder, toy_n24news.layout())
        (folder / "news" / "nytimes_train.json").write_text(content)

    return make


def dishes(**changed: str) -> Make:
    def make(folder: Path) -> None:
        toy_food101.write(folder)
        with (folder / "train.csv").open("w", newline="") as file:
            rows = [row | changed for row in toy_food101.layout()["train"]]
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return make


OTHERS = [
    pytest.param("rosmap", omics("1_tr.csv", 3, "a,b"), ("1_tr.csv: is not a table",), id="words"),
    pytest.param("rosmap", omics("1_tr.csv", 3, "nan,1,1,1,1,1"), ("row 4 column 1",), id="NaN"),
    pytest.param("rosmap", omics("2_tr.csv", 0, "1e300,1,1,1,1"), ("got 1e+300",), id="huge"),
    pytest.param("rosmap", omics("labels_tr.csv", 0, "1e30"), ("got 1e+30 in row 1",), id="label"),
    pytest.param("rosmap", omics("labels_tr.csv", 0, "0.5"), ("got 0.5 in row 1",), id="half"),
    pytest.param("rosmap", omics("1_featname.csv", 0, ""), ("has 5 names",), id="names"),
    pytest.param("n24news_caption", news_file("{"), ("is not JSON",), id="no JSON"),
    pytest.param("n24news_caption", news_file("[" * 99999), ("is not JSON",), id="deep JSON"),
    pytest.param("n24news_caption", news_file("[]"), ("got an empty one",), id="no articles"),
    pytest.param("n24news_caption", news_file("[3]"), ("object, got int",), id="an article"),
    pytest.param(
        "n24news_caption",
        news(lambda article: article.update(section="Helth")),
        ("Did you mean 'Health'?",),
        id="a section",
    ),
    pytest.param(
        "n24news_caption",
        news(lambda article: article.update(image_id="y" * 999)),
        ("file name too long",),
        id="a long name of an image",
    ),
    pytest.param("food101", dishes(label="-1"), ("whole numbers from 0", "'-1'"), id="a dish"),
    pytest.param("food101", dishes(id="."), ("expected names of files as ids, got '.'",), id="dot"),
    pytest.param(
        "food101",
        dishes(label="0", annotation="apple_pie"),
        ("two classes or more, got apple_pie",),
        id="one dish",
    ),
]


@pytest.mark.parametrize(("name", "make", "words"), OTHERS)
def test_wrong_files_of_known_datasets_are_answered(
    tmp_path: Path, name: str, make: Make, words: tuple[str, ...]
) -> None:
    make(tmp_path / "own")
    holds(checked(tmp_path, name, "--data", "own"), *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("mosie",), ("no dataset is called 'mosie'",)),
        (("arrays", "--data", "absent"), ("--data: expected a folder, got 'absent'",)),
        (("mfeat", "--data", "."), ("is bundled", "got .")),
    ],
    ids=["a name", "a folder", "bundled"],
)
def test_a_wrong_request_for_data_is_answered(
    tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    holds(checked(tmp_path, *options), *words)


def test_a_search_is_answered_as_the_data_command_is(tmp_path: Path) -> None:
    arrays(target=[np.nan] * 20)(tmp_path / "own")
    answer = tuned(tmp_path, "selfmi", "--set", "dataset=arrays", "--data", "own")
    holds(answer, "expected finite numbers", "own/train.npz target")
