"""Pickles that are wrong or hostile: read as data or refused, in bounded time, and no code runs."""

import builtins
import functools
import importlib
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_mag
import toy_mmsa
from wrong_inputs import checked, holds, snapshot

FILE = "unaligned_50.pkl"


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


def laughs(levels: int, width: int) -> list[Any]:
    """Lists that mean one list many times: few bytes, numbers without end."""
    made: list[Any] = [0.0] * width
    for _ in range(levels):
        made = [made] * width
    return made


def endless() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def train(**changed: Any) -> bytes:
    """A file whose train has something else in it."""
    content = toy_mmsa.layout()
    content["train"] |= changed
    return pickle.dumps(content)


def parts(**changed: Any) -> bytes:
    """A file with other splits."""
    return pickle.dumps(toy_mmsa.layout() | changed)


def claims(opcode: bytes, size: bytes) -> bytes:
    return b"\x80\x05" + opcode + size + b"abc."


def nested_tuple_key() -> bytes:
    """A key whose hash needs more of the stack than there is."""
    return b"\x80\x04})" + b"\x85" * 2 * 10**5 + b"Ns."


GOOD = pickle.dumps(toy_mmsa.layout())
TOUCH = "touch canary"
REFUSED = [
    pytest.param(pickle.dumps(Calls(os.system, TOUCH)), "posix.system", id="os.system"),
    pytest.param(pickle.dumps(Calls(exec, "open('canary', 'w')")), "builtins.exec", id="exec"),
    pytest.param(pickle.dumps(Calls(eval, "1")), "builtins.eval", id="eval"),
    pytest.param(train(audio=Calls(builtins.open, "canary", "w")), "io.open", id="inside"),
    pytest.param(
        train(extra=np.array([Calls(os.system, TOUCH)] * 6, dtype=object)), "posix", id="objects"
    ),
    pytest.param(parts(extra=Calls(os.system, TOUCH)), "posix.system", id="beside the splits"),
    pytest.param(pickle.dumps(functools.partial(os.system, TOUCH)), "partial", id="partial"),
    pytest.param(pickle.dumps(Calls(importlib.import_module, "x")), "importlib", id="an import"),
    pytest.param(b"cos\nsystem\n(S'touch canary'\ntR.", "os.system", id="protocol 0"),
    pytest.param(b"(S'touch canary'\nios\nsystem\n.", "os.system", id="INST"),
    pytest.param(b"(cos\nsystem\nS'touch canary'\no.", "os.system", id="OBJ"),
    pytest.param(
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile", id="attribute"
    ),
    pytest.param(
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93.", "fromkeys", id="a method"
    ),
    pytest.param(b"\x80\x02cnumpy\nfromfile\n.", "numpy.fromfile", id="numpy.fromfile"),
    pytest.param(
        b"cnumpy.core.multiarray\nscalar\n}(S'__globals__'\n}ubN.", "a state", id="a state"
    ),
    pytest.param(b"Pcanary\n.", "an object outside of it ('canary')", id="a persistent object"),
    pytest.param(nested_tuple_key(), "tuples of tuples as keys", id="a deep key"),
]


@pytest.mark.parametrize(("content", "words"), REFUSED)
def test_what_asks_for_more_than_data_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / FILE).write_bytes(content)
    holds(checked(tmp_path, "mosi", "--data", "."), "the pickle asks for", words, FILE)
    assert snapshot(tmp_path) == {FILE: content}


DAMAGED = [
    pytest.param(b"", "claims 1 bytes, the file has 0", id="empty"),
    pytest.param(GOOD[:-9999], "cannot be read as a pickle", id="cut off"),
    pytest.param(b"hello", "cannot be read as a pickle", id="no pickle"),
    pytest.param(b"\x80\x63.", "unsupported pickle protocol: 99", id="another protocol"),
    pytest.param(claims(b"\x8e", struct.pack("<Q", 2**40)), "claims 1099511627776", id="bytes"),
    pytest.param(claims(b"\x96", struct.pack("<Q", 2**36)), "claims 68719476736", id="bytearray"),
    pytest.param(claims(b"\x95", struct.pack("<Q", 2**40)), "claims 1099511627776", id="a frame"),
    pytest.param(claims(b"\x8b", struct.pack("<i", 2**31 - 1)), "claims 2147483647", id="a long"),
    pytest.param(b"I" + b"9" * 5000 + b"\n.", "cannot be read as a pickle", id="an integer"),
    pytest.param(b"\x80\x02\x82\x01.", "unregistered extension", id="an extension"),
    pytest.param(b"\x80\x05\x97.", "cannot be read as a pickle", id="a buffer beside it"),
    pytest.param(b"\x80\x04s.", "cannot be read as a pickle", id="an empty stack"),
    pytest.param(b"\x80\x04}(]Nu.", "unhashable", id="a list as key"),
    pytest.param(pickle.dumps([1]), "expected a dict of splits, got list", id="a list"),
    pytest.param(b"\x80\x04Nr\xff\xff\xff\x7f.", "dict of splits, got NoneType", id="a far memo"),
]


@pytest.mark.parametrize(("content", "words"), DAMAGED)
def test_a_damaged_pickle_is_answered(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    holds(checked(tmp_path, "mosi", "--data", "."), FILE, words)


CONTENTS = [
    pytest.param(parts(train=None), "no split 'train' that is a dict", id="no split"),
    pytest.param(
        train(regression_labels=[]), "train/regression_labels: the split is empty", id="empty"
    ),
    pytest.param(train(regression_labels=[np.nan] * 6), "row 0 is not", id="NaN labels"),
    pytest.param(train(regression_labels=[99.0] * 6), "labels up to 3, got 99", id="out of bounds"),
    pytest.param(train(regression_labels=[10**30] * 6), "more than 64 bits", id="a huge label"),
    pytest.param(train(audio=[[1], [1, 2]] * 3), "is not an array of numbers", id="ragged"),
    pytest.param(train(audio=np.array([["a"]] * 6)), "expected numbers, got dtype", id="texts"),
    pytest.param(train(audio=np.zeros((6, 2, 2), "M8[s]")), "got dtype 'M8'", id="times"),
    pytest.param(train(audio=np.zeros((6, 2, 2), complex)), "got dtype 'c16'", id="complex"),
    pytest.param(train(audio=np.zeros((6, 2, 2), [("a", "f4")])), "got dtype", id="structures"),
    pytest.param(train(audio=laughs(45, 2)), "up to 8 lists in one another", id="deep laughs"),
    pytest.param(train(audio=laughs(4, 300)), "GB of memory", id="wide laughs"),
    pytest.param(train(audio=endless()), "up to 8 lists in one another", id="a list of itself"),
    pytest.param(train(audio_lengths=[-3] * 6), "expected 0 to 7 steps, got -3", id="lengths"),
    pytest.param(train(audio_lengths=[1e30] * 6), "whole numbers, got 1e+30", id="huge lengths"),
    pytest.param(train(text_bert=np.ones((6, 2, 5))), "expected (rows, 3, steps)", id="tokens"),
    pytest.param(train(raw_text=["\ud800"] * 6), "surrogates not allowed", id="half a character"),
    pytest.param(train(raw_text=laughs(45, 2)), "expected a text, got list", id="lists of texts"),
    pytest.param(
        parts(valid=toy_mmsa.layout()["valid"] | {"audio": np.ones((3, 7, 9))}),
        "the same features in every split",
        id="widths",
    ),
]


@pytest.mark.parametrize(("content", "words"), CONTENTS)
def test_wrong_content_of_a_pickle_is_answered(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    holds(checked(tmp_path, "mosi", "--data", "."), FILE, words, "See mmsearch/datasets/mmsa.py")


SEGMENTS = [
    pytest.param([], "the split is empty", id="empty"),
    pytest.param([3], "expected ((words, visual, acoustic), label, name)", id="no segment"),
    pytest.param([toy_mag.segment(2, label=np.nan)], "from -3 to 3, got nan", id="NaN label"),
    pytest.param([toy_mag.segment(2, label=9)], "from -3 to 3, got 9", id="out of bounds"),
    pytest.param(
        [((["a"], [[10**400]], [[1.0]]), [[0.0]], "x")], "more than 64 bits", id="a huge feature"
    ),
    pytest.param([((["a"], [], [[1.0]]), [[0.0]], "x")], "expected (words,", id="no features"),
    pytest.param(
        [((["a"], laughs(45, 2), [[1.0]]), [[0.0]], "x")], "up to 8 lists", id="deep laughs"
    ),
]


@pytest.mark.parametrize(("segments", "words"), SEGMENTS)
def test_wrong_segments_are_answered(tmp_path: Path, segments: list[Any], words: str) -> None:
    toy_mag.write(tmp_path, toy_mag.layout() | {"train": segments})
    holds(checked(tmp_path, "mag_mosi", "--data", "."), "mosi.pkl train", words)
