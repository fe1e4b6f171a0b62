"""The reader of named arrays: what is in them arrives as it is, and the task follows from them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_arrays import content, load, write

from mmsearch import datasets
from mmsearch.datasets import carving, held_out
from mmsearch.errors import DataError


def test_a_folder_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = load(tmp_path, content())
    test = held_out.load("arrays", folder=tmp_path).batch
    assert (len(data.train), len(data.valid), len(test)) == (20, 6, 5)
    assert dict(data.task.modalities) == {"notes": 4, "pulse": 3}


def test_vectors_are_sequences_of_one_step(tmp_path: Path) -> None:
    arrays = content()
    train = load(tmp_path, arrays).train
    assert torch.equal(train.inputs["notes"][:, 0], torch.tensor(arrays["train"]["notes"]).float())
    assert train.lengths["notes"].tolist() == [1] * 20


def test_sequences_keep_what_lies_within_their_lengths_and_lose_the_rest(tmp_path: Path) -> None:
    arrays = content()
    train = load(tmp_path, arrays).train
    for row, length in enumerate(arrays["train"]["pulse_lengths"].tolist()):
        expected = torch.from_numpy(arrays["train"]["pulse"][row, :length])
        assert torch.equal(train.inputs["pulse"][row, :length], expected)
        assert not train.inputs["pulse"][row, length:].any()
        assert int(train.lengths["pulse"][row]) == length


def test_without_lengths_sequences_are_taken_whole(tmp_path: Path) -> None:
    arrays = content()
    for split in arrays.values():
        del split["pulse_lengths"]
    assert load(tmp_path, arrays).train.lengths["pulse"].tolist() == [7] * 20


@pytest.mark.parametrize("number", [2, 3, 6])
def test_any_number_of_modalities_is_read_in_the_order_of_train(
    tmp_path: Path, number: int
) -> None:
    names = [f"view_{k}" for k in range(number, 0, -1)]
    arrays = {
        split: {name: np.ones((rows, 2)) for name in names} | {"target": np.arange(float(rows))}
        for split, rows in {"train": 5, "valid": 5, "test": 5}.items()
    }
    assert list(load(tmp_path, arrays).task.modalities) == names


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.float16, np.float64, bool])
def test_features_of_any_number_type_become_float32(tmp_path: Path, kind: type) -> None:
    arrays = content()
    for split in arrays.values():
        split["notes"] = (split["notes"] > 0).astype(kind)
    train = load(tmp_path, arrays).train
    assert train.inputs["notes"].dtype == torch.float32
    assert torch.equal(
        train.inputs["notes"][:, 0], torch.tensor(arrays["train"]["notes"].astype(np.float32))
    )


def test_a_search_does_not_open_the_file_of_the_test_split(tmp_path: Path) -> None:
    write(tmp_path, content())
    (tmp_path / "test.npz").write_bytes(b"broken")
    datasets.load("arrays", folder=tmp_path)
    with pytest.raises(DataError, match=r"test\.npz: cannot be read as named arrays"):
        held_out.load("arrays", folder=tmp_path)


def test_the_folder_named_arrays_is_found_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "arrays", content())
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    assert len(datasets.load("arrays").train) == 20


# Targets


def test_floats_are_regressed(tmp_path: Path) -> None:
    task = load(tmp_path, content()).task
    assert (task.loss_family, task.metrics, task.classes) == ("regression", "regression", ())
    assert (task.bound, task.transform) == (4.0, datasets.TargetTransform())
    assert task.balance == (
        "20 train targets from -2 to 4: answering always 0.842105 has mae 1.579"
    )


@pytest.mark.parametrize(
    ("classes", "family"),
    [pytest.param(2, "binary", id="two"), pytest.param(5, "multiclass", id="five")],
)
def test_whole_numbers_are_classes(tmp_path: Path, classes: int, family: str) -> None:
    data = load(tmp_path, content(classes=classes))
    assert (data.task.loss_family, data.task.metrics) == ("classification", family)
    assert data.task.classes == tuple(map(str, range(classes)))
    assert (data.task.outputs, data.task.bound) == (classes, 0.0)
    assert data.valid.target.dtype == torch.int64


def test_a_column_of_targets_is_flattened(tmp_path: Path) -> None:
    arrays = content()
    for split in arrays.values():
        split["target"] = split["target"][:, None]
    assert load(tmp_path, arrays).train.target.shape == (20,)


def test_names_of_classes_are_read_beside_the_target(tmp_path: Path) -> None:
    arrays = content(classes=3)
    arrays["train"]["classes"] = np.array(["calm", "tense", "gone"])
    assert load(tmp_path, arrays).task.classes == ("calm", "tense", "gone")


def test_the_bound_is_that_of_train_even_where_valid_goes_beyond(tmp_path: Path) -> None:
    arrays = content()
    arrays["valid"]["target"] = arrays["valid"]["target"] * 3
    data = load(tmp_path, arrays)
    assert float(data.valid.target.max()) == 12.0
    assert data.task.bound == 4.0


# Valid carved out of train


@pytest.mark.parametrize("classes", [0, 2], ids=["numbers", "classes"])
def test_without_a_file_valid_is_carved_out_of_train(tmp_path: Path, classes: int) -> None:
    arrays = content(classes=classes)
    del arrays["valid"]
    data = load(tmp_path, arrays)
    label = torch.tensor(arrays["train"]["target"])
    mask = carving.valid_rows(label if classes else label.float(), place="here")
    assert (len(data.train), len(data.valid)) == (16, 4)
    for split, rows in ((data.train, ~mask), (data.valid, mask)):
        assert torch.equal(split.target, label[rows].to(split.target.dtype))
        notes = torch.tensor(arrays["train"]["notes"]).float()[rows]
        assert torch.equal(split.inputs["notes"][:, 0], notes)


def test_held_out_knows_the_train_that_is_left_after_carving(tmp_path: Path) -> None:
    arrays = content()
    del arrays["valid"]
    data = load(tmp_path, arrays, toml="center = 1.0\nscale = 2.0")
    test = held_out.load("arrays", folder=tmp_path).batch
    assert torch.allclose(
        data.task.transform.decode(test.target),
        torch.tensor(arrays["test"]["target"], dtype=torch.float32),
    )


# What dataset.toml says


def test_a_description_says_what_arrays_do_not(tmp_path: Path) -> None:
    toml = 'name = "pulse of notes"\nmetrics = "mosi"\nbound = 2.5\ncenter = 1\nscale = 2.0\n'
    data = load(tmp_path, content(), toml=toml)
    assert (data.task.dataset, data.task.metrics, data.task.bound) == (
        "pulse of notes",
        "mosi",
        2.5,
    )
    assert float(data.train.target.max()) == pytest.approx((4 - 1) / 2)
    assert torch.equal(data.task.train_target, data.train.target)


def test_a_description_names_classes_and_their_metrics(tmp_path: Path) -> None:
    toml = 'classes = ["a", "b", "c"]\nmetrics = "topics"\n'
    task = load(tmp_path, content(classes=3), toml=toml).task
    assert (task.classes, task.metrics) == (("a", "b", "c"), "topics")
    assert "7 of a, 7 of b, 6 of c: answering always a has accuracy 0.35" in task.balance


def test_whole_numbers_are_regressed_if_the_description_says_so(tmp_path: Path) -> None:
    data = load(tmp_path, content(classes=4), toml='loss = "regression"')
    assert (data.task.loss_family, data.train.target.dtype) == ("regression", torch.float32)
    assert held_out.load("arrays", folder=tmp_path).batch.target.dtype == torch.float32


def test_what_the_description_scales_is_in_the_fingerprint(tmp_path: Path) -> None:
    plain = load(tmp_path / "plain", content()).fingerprint
    assert load(tmp_path / "same", content()).fingerprint == plain
    assert load(tmp_path / "scaled", content(), toml="scale = 2.0").fingerprint != plain
