"""Named arrays in parquet tables, one row an example."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_arrays import content, load

from mmsearch import datasets
from mmsearch.datasets import array_files, held_out
from mmsearch.errors import DataError

pa = pytest.importorskip("pyarrow", reason="ray brings pyarrow; without it parquet is not read")
parquet = pytest.importorskip("pyarrow.parquet")


def ragged(split: dict[str, Any]) -> list[list[list[float]]]:
    """Sequences of a split as lists of their own lengths."""
    pairs = zip(split["pulse"], split["pulse_lengths"], strict=True)
    return [steps[:length].tolist() for steps, length in pairs]


def write(folder: Path, **changes: Any) -> Path:
    for name, split in content().items():
        columns = {
            "notes": pa.array(split["notes"].tolist()),
            "pulse": pa.array(ragged(split), pa.list_(pa.list_(pa.float32()))),
            "target": pa.array(split["target"]),
        }
        columns |= {key: value(len(split["target"])) for key, value in changes.items()}
        parquet.write_table(pa.table(columns), folder / f"{name}.parquet", row_group_size=4)
    return folder


def test_a_table_gives_what_the_same_npz_gives(tmp_path: Path) -> None:
    table = datasets.load("arrays", folder=write(tmp_path))
    npz = load(tmp_path / "npz", content())
    assert table.task.modalities == npz.task.modalities
    for ours, theirs in ((table.train, npz.train), (table.valid, npz.valid)):
        # A table's sequences are padded to its longest, an npz's as they are in the file.
        expected = theirs.take(theirs.rows)
        assert torch.equal(ours.target, expected.target)
        for name, value in expected.inputs.items():
            assert torch.equal(ours.inputs[name], value)
            assert torch.equal(ours.lengths[name], expected.lengths[name])


def test_lists_of_lists_say_their_lengths(tmp_path: Path) -> None:
    test = held_out.load("arrays", folder=write(tmp_path)).batch
    assert test.inputs["pulse"].shape == (5, 5, 3)
    assert test.lengths["pulse"].tolist() == [1, 2, 3, 4, 5]


def test_lists_of_fixed_size_are_read_too(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    column = pa.array(values.tolist(), pa.list_(pa.float32(), 2))
    parquet.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    np.testing.assert_array_equal(array_files.read(tmp_path / "x.parquet")["x"], values)


def test_whole_numbers_are_classes_in_tables_too(tmp_path: Path) -> None:
    data = datasets.load(
        "arrays", folder=write(tmp_path, target=lambda rows: pa.array([0, 1] * rows)[:rows])
    )
    assert (data.task.loss_family, data.train.target.dtype) == ("classification", torch.int64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"notes": lambda rows: pa.array([[1.0]] + [[1.0, 2.0]] * (rows - 1))},
            "notes: lists hold 1 to 2 numbers, not as many each",
            id="ragged",
        ),
        pytest.param(
            {"notes": lambda rows: pa.array([None] + [[1.0]] * (rows - 1))},
            "notes: 1 values are missing",
            id="missing-list",
        ),
        pytest.param(
            {"notes": lambda rows: pa.array([[None]] + [[1.0]] * (rows - 1))},
            "notes: 1 values are missing",
            id="missing-number",
        ),
        pytest.param(
            {"pulse_lengths": lambda rows: pa.array([1] * rows)},
            "pulse_lengths: the lists of pulse say their lengths",
            id="lengths-twice",
        ),
        pytest.param(
            {"notes": lambda rows: pa.array([["a"]] * rows)},
            "notes: expected numbers as .*got <U1",
            id="text",
        ),
        pytest.param(
            {"classes": lambda rows: pa.array(["a"] * rows)},
            "classes: expected a list of names",
            id="names",
        ),
        pytest.param(
            {"pulse": lambda rows: pa.array([[]] + [[[1.0]]] * (rows - 1))},
            "pulse_lengths: expected 1 to 1 steps, row 0 has 0",
            id="no-step",
        ),
    ],
)
def test_wrong_columns_are_one_clear_error(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load("arrays", folder=write(tmp_path, **changes))


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"train\.parquet: cannot be read as named arrays"):
        datasets.load("arrays", folder=tmp_path)
