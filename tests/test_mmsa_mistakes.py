"""Files in MMSA's layout that are wrong, or hostile: one clear error each."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_mmsa import UNLISTED, layout, load, write

from mmsearch import datasets
from mmsearch.datasets import held_out, unpickle
from mmsearch.errors import DataError

# Bad files: one error each


def without(split: str, key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content[split].pop(key)


def replaced(split: str, key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content[split].update({key: value})


def stained(key: str, value: float) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["train"][key].__setitem__(0, value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda content: content.pop("valid"), "no split 'valid' that is a dict", id="no-split"
        ),
        pytest.param(without("train", "vision"), "train/vision: is missing", id="no-modality"),
        pytest.param(
            without("valid", "regression_labels"),
            "valid/regression_labels: is missing",
            id="no-labels",
        ),
        pytest.param(
            replaced("train", "audio", np.zeros((6, 5))),
            r"train/audio: expected \(rows, steps, features\), got shape \(6, 5\)",
            id="no-steps",
        ),
        pytest.param(
            replaced("train", "audio", np.zeros((5, 7, 5))),
            "train/audio: has 5 rows, the labels have 6",
            id="rows-disagree",
        ),
        pytest.param(
            replaced("valid", "vision", np.zeros((3, 9, 21))),
            "vision: expected the same features in every split, got 20 in train, 21 in valid",
            id="widths-disagree",
        ),
        pytest.param(
            stained("regression_labels", np.nan),
            "regression_labels: expected finite labels, row 0 is not",
            id="nan-label",
        ),
        pytest.param(
            stained("regression_labels", 3.5),
            "regression_labels: expected labels up to 3, got 3.5",
            id="label-out-of-range",
        ),
        pytest.param(
            replaced("train", "regression_labels", np.zeros((6, 2))),
            r"expected one number a row, got shape \(6, 2\)",
            id="several-labels",
        ),
        pytest.param(
            replaced("train", "regression_labels", 1.5),
            "text: has 6 rows, the labels have 1",
            id="label-is-one-number",
        ),
        pytest.param(
            replaced("train", "regression_labels", np.zeros(0)),
            "regression_labels: the split is empty",
            id="empty-split",
        ),
        pytest.param(
            replaced("train", "regression_labels", ["Positive"] * 6),
            "regression_labels: is not an array of numbers",
            id="labels-are-text",
        ),
        pytest.param(
            replaced("train", "audio", [np.zeros((7, 5)), np.zeros((6, 5))]),
            "train/audio: is not an array of numbers",
            id="ragged",
        ),
        pytest.param(
            stained("vision", np.nan), "vision: expected finite features, row 0", id="nan-feature"
        ),
        pytest.param(
            stained("audio", np.inf), "audio: expected finite features, row 0", id="inf-feature"
        ),
        pytest.param(
            stained("vision", 1e300), "vision: expected finite features, row 0", id="too-large"
        ),
        pytest.param(
            stained("audio_lengths", 8),
            "lengths of audio: expected 0 to 7 steps, got 8",
            id="length-too-long",
        ),
        pytest.param(
            replaced("train", "vision_lengths", [9, 9]),
            r"lengths of vision: expected 6, got shape \(2,\)",
            id="lengths-disagree",
        ),
        pytest.param(
            replaced("train", "audio_lengths", [np.nan] * 6),
            "audio_lengths: expected whole numbers",
            id="nan-length",
        ),
        pytest.param(
            replaced("train", "text_bert", np.zeros((6, 5))),
            r"text_bert: expected \(rows, 3, steps\), got \(6, 5\)",
            id="no-mask",
        ),
        pytest.param(
            replaced("train", "raw_text", ["words"] * 5),
            "train/raw_text: has 5 texts, the labels have 6 rows",
            id="texts-disagree",
        ),
        pytest.param(
            replaced("valid", "raw_text", ["words", 2, "words"]),
            r"valid/raw_text: is not a list of texts \(.*expected a text, got int\)",
            id="number-as-text",
        ),
        pytest.param(
            replaced("train", "raw_text", np.zeros(6)),
            "train/raw_text: is not a list of texts .*expected texts, got dtype 'f8'",
            id="numbers-as-texts",
        ),
        pytest.param(
            replaced("train", "raw_text", np.array([b"words"] * 6)),
            "train/raw_text: is not a list of texts .*expected texts, got dtype 'S5'",
            id="bytes-as-texts",
        ),
        pytest.param(
            replaced("train", "raw_text", "words"),
            "train/raw_text: is not a list of texts .*expected a list of texts, got str",
            id="one-text",
        ),
        pytest.param(
            replaced("train", "raw_text", ["\ud800"] * 6),
            "train/raw_text: is not a list of texts .*surrogates not allowed",
            id="no-unicode",
        ),
        pytest.param(
            without("valid", "raw_text"),
            "raw_text: is in train and not in valid",
            id="texts-of-train-alone",
        ),
    ],
)
@pytest.mark.filterwarnings(f"ignore:.*{UNLISTED}")
def test_a_bad_layout_is_one_error_with_place_rule_and_way_out(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    content = layout()
    spoil(content)
    path = write(tmp_path / "unaligned_50.pkl", content)
    with pytest.raises(DataError, match=message) as caught:
        datasets.load("mosi", folder=tmp_path)
    (problem,) = caught.value.problems
    assert problem.place.startswith(str(path))
    assert problem.way_out


@pytest.mark.filterwarnings(f"ignore:.*{UNLISTED}")
def test_a_pickle_that_is_no_dict_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "aligned_50.pkl", [1, 2])
    with pytest.raises(DataError, match="expected a dict of splits, got list"):
        datasets.load("mosi", folder=tmp_path)


def test_a_bad_test_split_does_not_keep_a_search_from_starting(tmp_path: Path) -> None:
    content = layout()
    del content["test"]["audio"]
    load(tmp_path, content)
    with (
        pytest.warns(UserWarning, match=UNLISTED),
        pytest.raises(DataError, match="test/audio: is missing"),
    ):
        held_out.load("mosi", folder=tmp_path)


# Hostile pickles


class Runs:
    """Pickles as a call of anything with anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize(
    ("function", "named"),
    [
        pytest.param(os.system, r"posix\.system", id="os.system"),
        pytest.param(eval, r"__builtin__\.eval|builtins\.eval", id="eval"),
        pytest.param(getattr, r"__builtin__\.getattr|builtins\.getattr", id="getattr"),
        pytest.param(np.load, r"numpy.*\.load", id=r"numpy.*\.load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_calls_a_function_is_refused_by_its_name(
    tmp_path: Path, function: Callable[..., Any], named: str, protocol: int
) -> None:
    path = write(tmp_path / "file.pkl", {"train": Runs(function, "x")}, protocol=protocol)
    with pytest.raises(DataError, match=f"asks for ({named}), which could run code"):
        unpickle.unpickle(path)


@pytest.mark.filterwarnings(f"ignore:.*{UNLISTED}")
def test_a_dataset_file_cannot_run_a_command(tmp_path: Path) -> None:
    content = layout()
    content["test"]["raw_text"] = Runs(os.system, f"touch {tmp_path / 'ran'}")
    write(tmp_path / "aligned_50.pkl", content)
    with pytest.raises(DataError, match="which could run code"):
        datasets.load("mosi", folder=tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(b"cos\nsystem\n(S'true'\ntR.", "asks for os.system", id="global"),
        pytest.param(
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
            "asks for os.system",
            id="stack-global",
        ),
        pytest.param(
            b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
            "asks for numpy.dtype.__init__",
            id="attribute-of-an-allowed-class",
        ),
        pytest.param(b"Pxyz\n.", "asks for an object outside of it", id="persistent-id"),
        pytest.param(b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "asks for the codec rot13", id="codec"),
        pytest.param(b"", "EOFError", id="empty-file"),
        pytest.param(b"\x80\x04\x8c\xff", "damaged or cut off", id="cut-off"),
        pytest.param(b"hello", "damaged or cut off", id="no-pickle"),
        pytest.param(
            b"cnumpy\ndtype\nVx\nb.", "a state for what is no array", id="state-for-a-class"
        ),
    ],
)
def test_a_hand_written_hostile_pickle_is_refused(
    tmp_path: Path, program: bytes, message: str
) -> None:
    (tmp_path / "file.pkl").write_bytes(program)
    with pytest.raises(DataError, match=message):
        unpickle.unpickle(tmp_path / "file.pkl")


def forged(shape: object, dtype: object, content: object) -> Any:
    array = unpickle.PickledArray()
    array.__setstate__((1, shape, dtype, False, content))
    return array


def looping() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(forged((1,), unpickle.PickledDtype("O8"), b"\1" * 8), id="pointer"),
        pytest.param(forged((1,), unpickle.PickledDtype("O,f4"), b"\1" * 12), id="structure"),
        pytest.param(forged((1,), unpickle.PickledDtype("f4,O"), b"\1" * 12), id="hidden-pointer"),
        pytest.param(forged((10**9,), unpickle.PickledDtype("f8"), b"\1" * 8), id="too-large"),
        pytest.param(forged((1,), "f8", b"\1" * 8), id="no-dtype"),
        pytest.param(forged("x", unpickle.PickledDtype("f8"), b"\1" * 8), id="no-shape"),
        pytest.param(forged((1,), unpickle.PickledDtype("f8"), 8), id="no-bytes"),
        pytest.param(forged((1,), unpickle.PickledDtype(8), b"\1" * 8), id="no-code"),
        pytest.param(looping(), id="list-in-itself"),
        pytest.param({"a": 1}, id="dict"),
    ],
)
def test_a_forged_array_is_refused_when_it_is_rebuilt(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        unpickle.as_array(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(forged((2,), unpickle.PickledDtype("O8"), b"\1" * 16), id="pointers"),
        pytest.param(forged((1,), unpickle.PickledDtype("U,O"), b"\1" * 12), id="structure"),
        pytest.param(forged((10**9,), unpickle.PickledDtype("U4"), b"\1" * 8), id="too-large"),
        pytest.param(forged((1,), unpickle.PickledDtype("U1"), b"\xff" * 4), id="no-character"),
        pytest.param(forged((1,), unpickle.PickledDtype("U0"), b""), id="no-width"),
        pytest.param(looping(), id="list-in-itself"),
        pytest.param([["words"]], id="list-of-lists"),
        pytest.param({"a": "words"}, id="dict"),
    ],
)
def test_forged_texts_are_refused_when_they_are_rebuilt(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        unpickle.as_texts(value)


def test_a_structured_array_that_nobody_asks_for_does_no_harm(tmp_path: Path) -> None:
    content = layout()
    content["train"]["annotations"] = np.zeros(2, dtype=[("a", "f4"), ("b", object)])
    assert len(load(tmp_path, content).train) == 6
