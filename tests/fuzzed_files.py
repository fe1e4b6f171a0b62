"""What the fuzzers feed: small right files of every format, contents made up, and their readers."""

import io
import json
import pickle
import struct
import wave
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import tomli_w
import toy_arrays
import toy_food101
import toy_mag
import toy_mmsa
import toy_mogonet
import toy_n24news
import toy_table
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from wrong_inputs import ROOT

from mmsearch import datasets, methods
from mmsearch import study as studies
from mmsearch.backbones import images, sounds

Content = Sequence[bytes]


@dataclass(frozen=True)
class Fuzzed:
    """A reader, and the file of its that is made up."""

    name: str
    file: str
    seeds: Content
    """Right contents of the file."""
    read: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None
    """Writes what lies beside the file."""

    def put(self, folder: Path, content: bytes) -> None:
        """The file has this content."""
        (folder / self.file).write_bytes(content)


def dataset(name: str, file: str, write: Callable[[Path], object], *more: bytes) -> Fuzzed:
    """One file of a dataset's folder."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        right = (Path(folder) / file).read_bytes()
    return Fuzzed(
        f"{name} {Path(file).name}",
        file,
        (right, *more),
        lambda folder: datasets.load(name, folder=folder),
        write,
    )


def without(file: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    def written(folder: Path) -> None:
        write(folder)
        (folder / file).unlink()

    return written


# Studies

SHIPPED = [path.read_bytes() for path in sorted((ROOT / "search_spaces").glob("*.toml"))]


def read_study(folder: Path) -> None:
    studies.load(folder / "a.toml", schema_of=methods.schema_of)


STUDIES = Fuzzed("study", "a.toml", SHIPPED, read_study)
scalars = (
    st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.dates()
    | st.datetimes()
    | st.sampled_from(["", "valid/mae", "test/mae", "selfmi", "mim", "a.py", "~x/y.py", "../x"])
)
words = st.sampled_from(
    ["choice", "uniform", "log_uniform", "int_uniform", "zero_or_log_uniform", "kind", "rank"]
) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A study that is shipped, values and keys of which are something else."""
    import tomllib

    document = tomllib.loads(draw(st.sampled_from(SHIPPED)).decode())
    for _ in range(draw(st.integers(1, 4))):
        table = document
        while True:
            key = draw(st.sampled_from([*table, ""]) | words)
            inner = table.get(key)
            if not isinstance(inner, dict) or not inner or draw(st.booleans()):
                break
            table = inner
        if draw(st.booleans()) and key in table:
            del table[key]
        else:
            table[key] = draw(values)
    return tomli_w.dumps(document).encode("utf-8", "replace")


# Arrays


def zipped(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, member in members.items():
            file.writestr(f"{name}.npy", member)
    return content.getvalue()


def compressed() -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **toy_arrays.content()["train"])
    return content.getvalue()


sizes = st.integers(-2, 30) | st.integers() | st.sampled_from([2**31, 2**62, 10**12])
dtypes = st.sampled_from(
    ["<f4", ">f8", "<i8", "|b1", "<U3", "|S4", "|O", "<M8[s]", "<c8", "f4,f4", "(1 2)f4", "", "V9"]
) | st.text(max_size=4)


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    """An npy file with a header of its own."""
    shape = draw(st.lists(sizes, max_size=4).map(tuple) | sizes | st.text(max_size=3))
    said = {"descr": draw(dtypes), "fortran_order": draw(st.booleans() | sizes), "shape": shape}
    if draw(st.booleans()):
        said[draw(st.sampled_from([*said, "more"]))] = draw(values)
    text = repr(said).encode()
    version = draw(st.sampled_from([(1, 0), (1, 0), (2, 0), (3, 0), (9, 9)]))
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + draw(st.binary(max_size=64))


archives = st.dictionaries(
    st.sampled_from(["target", "notes", "pulse", "pulse_lengths", "classes"])
    | st.text("ab_./\\ é", max_size=4),
    arrays() | st.binary(max_size=9),
    max_size=5,
).map(zipped)
ARRAYS = dataset(
    "arrays", "train.npz", lambda f: toy_arrays.write(f, toy_arrays.content()), compressed()
)
DESCRIPTION = dataset(
    "arrays",
    "dataset.toml",
    lambda f: toy_arrays.write(f, toy_arrays.content(), toml="scale = 2.0\nbound = 9.0"),
)


def table_of(columns: Mapping[str, pa.Array]) -> bytes:
    content = pa.BufferOutputStream()
    parquet.write_table(pa.table(dict(columns)), content)
    return content.getvalue().to_pybytes()


def right_parquet() -> bytes:
    named = toy_arrays.content()["train"]
    named.pop("pulse_lengths")
    columns = {name: pa.array(np.asarray(value).tolist()) for name, value in named.items()}
    return table_of(columns)


PARQUET = Fuzzed(
    "arrays train.parquet",
    "train.parquet",
    [right_parquet()],
    lambda folder: datasets.load("arrays", folder=folder),
    without("train.npz", lambda f: toy_arrays.write(f, toy_arrays.content())),
)
cells = (
    st.none()
    | st.integers(-9, 9)
    | st.floats()
    | st.text(max_size=2)
    | st.binary(max_size=2)
    | st.dates()
)


@st.composite
def columns(draw: st.DrawFn) -> bytes:
    """A table of columns of any one type each."""
    rows = draw(st.integers(0, 12))
    made = {}
    for name in draw(st.lists(st.sampled_from(["target", "a", "b", "a_lengths", "a.b"]))):
        cell = draw(st.sampled_from([st.integers(0, 3), st.floats(), st.booleans(), cells]))
        for _ in range(draw(st.integers(0, 3))):
            cell = st.lists(cell, max_size=3)
        try:
            made[name] = pa.array(draw(st.lists(cell, min_size=rows, max_size=rows)))
        except (pa.ArrowException, TypeError, OverflowError):
            made[name] = pa.nulls(rows)
    return table_of(made)


# Tables, JSON

TABLE = dataset("table", "items.csv", toy_table.write)
TABLE_TOML = dataset(
    "table", "dataset.toml", toy_table.write, *(text.encode() for text in [toy_table.REGRESSION])
)
AUDIO = dataset("table", "audio.npy", toy_table.write)
OMICS = dataset("rosmap", "1_tr.csv", toy_mogonet.write)
OMICS_LABELS = dataset("rosmap", "labels_tr.csv", toy_mogonet.write)
DISHES = dataset("food101", "train.csv", toy_food101.write)
NEWS = dataset(
    "n24news_caption",
    "news/nytimes_train.json",
    lambda folder: toy_n24news.write(folder, toy_n24news.layout()),
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["section", "image_id", "caption"]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
).map(lambda tree: json.dumps(tree).encode())

# Pickles

MMSA = dataset(
    "mosi",
    "unaligned_50.pkl",
    lambda f: toy_mmsa.write(f / "unaligned_50.pkl", toy_mmsa.layout()),
    pickle.dumps(toy_mmsa.layout(), protocol=2),
    pickle.dumps(toy_mmsa.layout(), protocol=5),
)
MAG = dataset(
    "mag_mosi",
    "mosi.pkl",
    lambda folder: toy_mag.write(folder, toy_mag.layout()),
    pickle.dumps(toy_mag.layout(), protocol=0),
    pickle.dumps(toy_mag.layout(), protocol=2),
)
CALLS = (
    b"cos\nsystem\n",
    b"cbuiltins\nexec\n",
    b"cbuiltins\neval\n",
    b"c__builtin__\ngetattr\n",
    b"cnumpy\nfromfile\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy._core.multiarray\nscalar\n",
    b"cnumpy._core.numeric\n_frombuffer\n",
    b"cnumpy\nndarray\n",
    b"cnumpy\ndtype\n",
    b"c_codecs\nencode\n",
    b"ccollections\nOrderedDict\n",
)
PLAIN = (
    *(bytes([code]) for code in range(1, 0xB0)),
    *(b"(", b"]", b"}", b")", b"a", b"e", b"s", b"u", b"t", b"\x85", b"\x86", b"\x87", b"0", b"2"),
    *(
        b"R",
        b"R",
        b"b",
        b"b",
        b"\x81",
        b"o",
        b"N",
        b"K\x03",
        b"J\xff\xff\xff\x7f",
        b"\x94",
        b"h\x00",
    ),
    *(b"S'touch canary'\n", b"X\x02\x00\x00\x00f4", b"X\x01\x00\x00\x00O", b"X\x01\x00\x00\x00<"),
    *(
        b"C\x08abcdefgh",
        b"X\x05\x00\x00\x00train",
        b"X\x05\x00\x00\x00audio",
        b"G@\x00\0\0\0\0\0\0",
    ),
)
programs = st.lists(st.sampled_from(CALLS + PLAIN), max_size=30).map(
    lambda opcodes: b"\x80\x04" + b"".join(opcodes) + b"."
)

# Images and sounds


def drawn(kind: str) -> bytes:
    content = io.BytesIO()
    pixels = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)
    Image.fromarray(pixels).save(content, format=kind)
    return content.getvalue()


def recorded() -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.arange(800, dtype="<i2").tobytes())
    return content.getvalue()


def flac() -> bytes:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, np.linspace(-1, 1, 800), 8000, format="FLAC")
    return content.getvalue()


class Ears:
    """What a network wants of a sound."""

    sampling_rate = 16000

    def __call__(self, sound: np.ndarray, **_: object) -> Mapping[str, Any]:
        return SimpleNamespace(input_values=[sound]).__dict__


IMAGES = Fuzzed(
    "image",
    "a",
    [drawn(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO", "TGA")],
    lambda folder: images.reader(np.asarray)([str(folder / "a")]),
)
SOUNDS = Fuzzed(
    "sound",
    "a.wav",
    [recorded(), flac()],
    lambda folder: sounds._samples(str(folder / "a.wav"), Ears(), 1.0),
)

FILES = (
    *(STUDIES, ARRAYS, DESCRIPTION, PARQUET, TABLE, TABLE_TOML, AUDIO, OMICS, OMICS_LABELS),
    *(DISHES, NEWS, MMSA, MAG, IMAGES, SOUNDS),
)
"""Whose right files are mutated."""
MADE: Sequence[tuple[Fuzzed, st.SearchStrategy[bytes]]] = (
    (STUDIES, documents()),
    (ARRAYS, archives),
    (PARQUET, columns()),
    (AUDIO, arrays()),
    (NEWS, trees),
    (MMSA, programs),
)
"""Contents that are made up."""
