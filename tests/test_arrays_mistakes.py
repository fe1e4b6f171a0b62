"""Named arrays that are wrong, or hostile: clear errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_arrays import Content, content, load, write

from mmsearch import datasets
from mmsearch.datasets import held_out
from mmsearch.errors import DataError

# Files


def test_without_a_folder_what_to_write_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"no folder is given.*write train\.npz and test\.npz"):
        datasets.check("arrays")


def test_an_empty_folder_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"neither train\.npz nor train\.parquet is in {tmp_path}"):
        datasets.check("arrays", folder=tmp_path)


def test_a_test_split_must_have_been_put_aside(tmp_path: Path) -> None:
    arrays = content()
    del arrays["test"]
    with pytest.raises(DataError, match=r"has no test\.npz or test\.parquet"):
        datasets.check("arrays", folder=write(tmp_path, arrays))


def test_two_files_of_a_split_are_ambiguous(tmp_path: Path) -> None:
    (write(tmp_path, content()) / "valid.parquet").touch()
    with pytest.raises(DataError, match=r"has valid\.npz and valid\.parquet\. Keep one"):
        datasets.check("arrays", folder=tmp_path)


def test_objects_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path, "sprung").touch, ())

    arrays = content()
    arrays["train"]["notes"] = np.array([Trap()] * 20, dtype=object)
    with pytest.raises(DataError, match=r"train\.npz: cannot be read as named arrays .*pickle"):
        load(tmp_path, arrays)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("file", [b"", b"PK\3\4 and then nothing", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, file: bytes) -> None:
    (write(tmp_path, content()) / "train.npz").write_bytes(file)
    with pytest.raises(DataError, match=r"train\.npz: cannot be read as named arrays"):
        datasets.load("arrays", folder=tmp_path)


# Arrays


def without(split: str, key: str) -> Callable[[Content], object]:
    return lambda arrays: arrays[split].pop(key)


def replaced(split: str, key: str, value: Any) -> Callable[[Content], object]:
    return lambda arrays: arrays[split].update({key: np.asarray(value)})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            without("train", "target"),
            r"train\.npz target: is missing among notes, pulse, pulse_lengths",
            id="no-target",
        ),
        pytest.param(
            replaced("train", "target", ["good"] * 20),
            r"target: expected one number a row, got <U4 of shape \(20,\)",
            id="text-as-target",
        ),
        pytest.param(
            replaced("train", "target", np.ones((20, 2))),
            r"target: expected one number a row, got float64 of shape \(20, 2\)",
            id="two-targets",
        ),
        pytest.param(
            replaced("valid", "target", np.zeros(0)), "target: the split is empty", id="no-rows"
        ),
        pytest.param(
            replaced("valid", "target", [1.0, 2, 3, np.nan, 5, 6]),
            r"valid\.npz target: expected finite numbers, row 3 has others",
            id="target-nan",
        ),
        pytest.param(
            replaced("train", "target", np.full(20, 3.5)),
            r"target: every row has 3\.5",
            id="constant-target",
        ),
        pytest.param(
            replaced("train", "classes", ["a", "b"]),
            r"train\.npz classes: has no effect on a regression",
            id="classes-of-numbers",
        ),
        pytest.param(without("train", "pulse"), "two modalities or more, got notes", id="alone"),
        pytest.param(
            without("valid", "notes"),
            r"valid\.npz: expected two modalities or more",
            id="missing-in-valid",
        ),
        pytest.param(
            replaced("valid", "extra", np.ones((6, 2))),
            r"valid\.npz: has the modalities notes 4, pulse 3, extra 2, train has notes 4, pulse 3",
            id="more-in-valid",
        ),
        pytest.param(
            replaced("valid", "notes", np.ones((6, 5))),
            "has the modalities notes 5, pulse 3, train has notes 4, pulse 3",
            id="widths-disagree",
        ),
        pytest.param(
            replaced("train", "notes", np.ones((19, 4))),
            "notes: has 19 rows, the target has 20",
            id="rows-disagree",
        ),
        pytest.param(
            replaced("train", "notes", np.ones(20)),
            r"notes: expected numbers as \(rows, features\) or .*got float64 of shape \(20,\)",
            id="no-features",
        ),
        pytest.param(
            replaced("train", "notes", [["a"]] * 20), "expected numbers as .*got <U1", id="text"
        ),
        pytest.param(
            replaced("train", "notes", np.full((20, 4), np.inf)),
            "notes: expected finite numbers, row 0 has others",
            id="infinite",
        ),
        pytest.param(
            replaced("train", "notes", np.full((20, 4), 1e300)),
            "notes: expected finite numbers, row 0",
            id="beyond-float32",
        ),
        pytest.param(
            replaced("train", "pulse_lengths", [0] + [7] * 19),
            "pulse_lengths: expected 1 to 7 steps, row 0 has 0.*one step of zeros",
            id="length-zero",
        ),
        pytest.param(
            replaced("train", "pulse_lengths", [7] * 19 + [8]),
            "pulse_lengths: expected 1 to 7 steps, row 19 has 8",
            id="length-too-long",
        ),
        pytest.param(
            replaced("train", "pulse_lengths", [7.0] * 20),
            "pulse_lengths: expected 20 whole numbers, got float64",
            id="lengths-as-floats",
        ),
        pytest.param(
            replaced("train", "pluse_lengths", [7] * 20),
            "pluse_lengths: there is no modality 'pluse'",
            id="lengths-of-nothing",
        ),
        pytest.param(
            replaced("train", "my-view", np.ones((20, 2))),
            "my-view: a modality's name is letters, digits and _",
            id="bad-name",
        ),
        pytest.param(
            replaced("train", "keys", np.ones((20, 2))),
            "keys: is a word that torch's modules keep for themselves",
            id="word-of-torch",
        ),
        pytest.param(
            replaced("train", "notes_present", [True] * 19 + [False]),
            "notes_present: 1 of 20 rows lack the modality.*fill them with zeros",
            id="missing-modality",
        ),
        pytest.param(
            replaced("train", "notes_present", [True]),
            r"notes_present: expected 20 truth values, got bool of shape \(1,\)",
            id="mask-too-short",
        ),
    ],
)
def test_wrong_arrays_are_one_clear_error(
    tmp_path: Path, spoil: Callable[[Content], object], message: str
) -> None:
    arrays = content()
    spoil(arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path, arrays)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            replaced("train", "target", [-1] * 20), "expected classes from 0, got -1", id="negative"
        ),
        pytest.param(
            replaced("train", "target", [0, 2] * 10), r"no row has the class 1 \(1\)", id="gap"
        ),
        pytest.param(replaced("train", "target", [0] * 20), "there is one class", id="one-class"),
        pytest.param(
            replaced("train", "target", [10**9, 0] * 10),
            "without gaps, got 1000000000 in 20 rows; numbers to regress are floats",
            id="no-classes-at-all",
        ),
        pytest.param(
            replaced("valid", "target", [3] * 6),
            r"valid\.npz: target: expected classes from 0 to 2, got 3",
            id="new-in-valid",
        ),
        pytest.param(
            replaced("valid", "target", [0.5] * 6),
            r"valid\.npz target: a classification needs whole numbers, got float64",
            id="floats-in-valid",
        ),
        pytest.param(
            replaced("train", "classes", ["a", "b"]),
            "expected classes from 0 to 1, got 2",
            id="too-few-names",
        ),
        pytest.param(
            replaced("train", "classes", [1, 2, 3]), "expected a list of names, got int", id="names"
        ),
    ],
)
def test_wrong_classes_are_one_clear_error(
    tmp_path: Path, spoil: Callable[[Content], object], message: str
) -> None:
    arrays = content(classes=3)
    spoil(arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path, arrays)


def test_a_mask_that_is_all_true_is_no_modality(tmp_path: Path) -> None:
    arrays = content()
    for split in arrays.values():
        split["notes_present"] = np.ones(len(split["target"]), dtype=bool)
    assert dict(load(tmp_path, arrays).task.modalities) == {"notes": 4, "pulse": 3}


def test_test_is_checked_when_it_is_read(tmp_path: Path) -> None:
    arrays = content(classes=3)
    arrays["test"]["target"][0] = 7
    load(tmp_path, arrays)
    with pytest.raises(DataError, match=r"test\.npz: target: expected classes from 0 to 2, got 7"):
        held_out.load("arrays", folder=tmp_path)


# dataset.toml


def test_all_mistakes_in_a_description_are_told_at_once(tmp_path: Path) -> None:
    toml = 'nmae = "x"\nbound = -1.0\nloss = "regresion"\nclasses = ["a"]\nscale = "2"\n'
    with pytest.raises(DataError) as caught:
        load(tmp_path, content(), toml=toml)
    told = str(caught.value)
    assert len(caught.value.problems) == 5
    assert "dataset.toml nmae: unknown key" in told
    assert "Did you mean 'name'?" in told
    assert "dataset.toml bound: must be greater than 0, got -1.0" in told
    assert "Did you mean 'regression'?" in told


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param("= 3", r"dataset\.toml: is not TOML", id="no-toml"),
        pytest.param(
            'metrics = "mosy"', r"no family is called 'mosy'\. Did you mean 'mosi'", id="misspelt"
        ),
        pytest.param(
            'metrics = "binary"', "'binary' does not measure a regression", id="other-loss"
        ),
        pytest.param(
            'classes = ["a", "b"]', "classes: has no effect on a regression", id="no-effect"
        ),
        pytest.param(
            "bound = 3.5",
            r"train\.npz: target: expected up to 3\.5 once centred and scaled, got 4",
            id="beyond-the-bound",
        ),
        pytest.param(
            'loss = "classification"', "a classification needs whole numbers", id="floats"
        ),
    ],
)
def test_a_description_that_does_not_fit_numbers_is_an_error(
    tmp_path: Path, toml: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, content(), toml=toml)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param("center = 1.0", "center: has no effect on a classification", id="no-effect"),
        pytest.param(
            'metrics = "binary"',
            r"'binary' does not measure a classification with 3 classes\. These do: multiclass, "
            "topics",
            id="three-are-not-two",
        ),
        pytest.param('classes = ["a", "b", "a"]', "classes: names must differ", id="same-names"),
        pytest.param(
            'classes = ["a", "b", "c", "d"]', r"no row has the class d \(3\)", id="unused-name"
        ),
    ],
)
def test_a_description_that_does_not_fit_classes_is_an_error(
    tmp_path: Path, toml: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, content(classes=3), toml=toml)


def test_names_of_classes_are_given_once(tmp_path: Path) -> None:
    arrays = content(classes=2)
    arrays["train"]["classes"] = np.array(["a", "b"])
    with pytest.raises(DataError, match=r"has names of classes too\. Give them once"):
        load(tmp_path, arrays, toml='classes = ["a", "b"]')
