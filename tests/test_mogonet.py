"""The reader of MOGONET's csv folders, on small ones and on the real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_mogonet import TEST, TRAIN, WIDTHS, change, write

from mmsearch import datasets
from mmsearch.datasets import carving, held_out
from mmsearch.errors import DataError


def carved(label: list[int]) -> np.ndarray:
    return carving.valid_rows(torch.tensor(label), place="here").numpy()


# What is read


def test_a_folder_gives_train_carved_valid_and_held_out_test(tmp_path: Path) -> None:
    data = datasets.load("rosmap", folder=write(tmp_path))
    assert (len(data.train), len(data.valid)) == (20, 5)
    assert data.valid.target.bincount().tolist() == [2, 3]
    assert held_out.load("rosmap", folder=tmp_path).batch.target.tolist() == TEST


def test_views_are_named_modalities_of_one_step(tmp_path: Path) -> None:
    data = datasets.load("rosmap", folder=write(tmp_path))
    assert dict(data.task.modalities) == {"mrna": 6, "methylation": 5, "mirna": 4}
    assert data.train.inputs["mirna"].shape == (20, 1, 4)
    assert data.train.lengths["mirna"].tolist() == [1] * 20


def test_rows_of_views_and_labels_stay_together(tmp_path: Path) -> None:
    folder = write(tmp_path)
    raw = np.loadtxt(folder / "2_tr.csv", delimiter=",")
    mask = carved(TRAIN)
    low, high = raw[~mask].min(axis=0), raw[~mask].max(axis=0)
    data = datasets.load("rosmap", folder=folder)
    for split, rows in ((data.train, ~mask), (data.valid, mask)):
        expected = (raw[rows] - low) / (high - low + 1e-10)
        np.testing.assert_allclose(split.inputs["methylation"][:, 0], expected, rtol=1e-5)
        assert split.target.tolist() == np.array(TRAIN)[rows].tolist()


def test_test_is_scaled_by_train(tmp_path: Path) -> None:
    folder = write(tmp_path)
    raw, seen = (np.loadtxt(folder / f"1_{part}.csv", delimiter=",") for part in ("te", "tr"))
    train = seen[~carved(TRAIN)]
    expected = (raw - train.min(axis=0)) / (np.ptp(train, axis=0) + 1e-10)
    test = held_out.load("rosmap", folder=folder).batch.inputs["mrna"][:, 0]
    np.testing.assert_allclose(test, expected, rtol=1e-4, atol=1e-6)


def test_two_classes_are_measured_as_rosmap_is(tmp_path: Path) -> None:
    task = datasets.load("rosmap", folder=write(tmp_path)).task
    assert (task.loss_family, task.metrics, task.classes) == (
        "classification",
        "binary",
        ("NC", "AD"),
    )
    assert task.balance == (
        "20 train labels in 2 classes, 8 of NC, 12 of AD: answering always AD has accuracy 0.60"
    )


def test_five_classes_are_measured_as_brca_is(tmp_path: Path) -> None:
    folder = write(tmp_path, train=[0, 1, 2, 3, 4] * 5, test=[3, 4])
    task = datasets.load("brca", folder=folder).task
    assert (task.metrics, task.outputs) == ("multiclass", 5)
    assert task.classes == ("Normal-like", "Basal", "HER2", "LumA", "LumB")


def test_names_of_features_need_not_be_there(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for view in WIDTHS:
        (folder / f"{view}_featname.csv").unlink()
    assert len(datasets.load("rosmap", folder=folder).train) == 20


def test_a_search_does_not_open_the_files_of_the_test_split(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for name in ("1_te.csv", "2_te.csv", "3_te.csv", "labels_te.csv"):
        (folder / name).write_text("not a table")
    datasets.load("rosmap", folder=folder)
    with pytest.raises(DataError, match=r"labels_te\.csv: is not a table of numbers"):
        held_out.load("rosmap", folder=folder)


@pytest.mark.parametrize("below", ["rosmap", "ROSMAP"])
def test_a_folder_of_datasets_is_found_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    write(tmp_path / below)
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    datasets.check("rosmap")
    assert len(datasets.load("rosmap").train) == 20


# What is wrong


def test_without_a_folder_the_files_and_their_source_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    message = r"no folder is given.*1_tr\.csv, .*labels_te\.csv.*txWang/MOGONET.*folder BRCA"
    with pytest.raises(DataError, match=message):
        datasets.check("brca")


def test_an_empty_folder_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"none of its files is in {tmp_path}, .*ROSMAP"):
        datasets.check("rosmap", folder=tmp_path)


def test_missing_files_are_named_even_if_only_test_needs_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "ROSMAP")
    (folder / "2_tr.csv").unlink()
    (folder / "3_te.csv").unlink()
    with pytest.raises(DataError, match=r"ROSMAP has no 2_tr\.csv, 3_te\.csv\."):
        datasets.check("rosmap", folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "row", "text", "message"),
    [
        pytest.param(
            "1_tr.csv", 3, "1,2", r"1_tr\.csv: is not a table .*changed from 6 to 2", id="ragged"
        ),
        pytest.param(
            "1_tr.csv",
            0,
            "a,b,c,d,e,f",
            r"1_tr\.csv: is not a table of numbers without a header .*'a'",
            id="header",
        ),
        pytest.param(
            "2_tr.csv",
            4,
            "1,nan,1,1,1",
            r"2_tr\.csv: expected finite numbers .*got nan in row 5 column 2",
            id="nan",
        ),
        pytest.param("3_tr.csv", 0, "1,,1,1", r"3_tr\.csv: is not a table", id="empty-cell"),
        pytest.param(
            "labels_tr.csv",
            6,
            "0.5",
            r"labels_tr\.csv: expected whole numbers from 0 to 1, got 0\.5 in row 7",
            id="label-no-integer",
        ),
        pytest.param(
            "labels_tr.csv", 0, "4", r"from 0 to 1, got 4 in row 1", id="label-of-another-dataset"
        ),
        pytest.param("labels_tr.csv", 0, "-1", r"from 0 to 1, got -1", id="label-negative"),
        pytest.param("labels_tr.csv", 0, "nan", "got nan in row 1 column 1", id="label-nan"),
        pytest.param(
            "labels_tr.csv", 0, "", r"1_tr\.csv: has 25 rows, the labels have 24", id="rows"
        ),
        pytest.param(
            "3_featname.csv",
            0,
            "",
            r"3_featname\.csv: has 3 names, the files of the view have 4 features",
            id="names",
        ),
    ],
)
def test_a_wrong_row_is_one_clear_error(
    tmp_path: Path, file: str, row: int, text: str, message: str
) -> None:
    change(write(tmp_path) / file, row, text)
    with pytest.raises(DataError, match=message):
        datasets.load("rosmap", folder=tmp_path)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (write(tmp_path) / "1_tr.csv").write_text("")
    with pytest.raises(DataError, match=r"1_tr\.csv: is empty"):
        datasets.load("rosmap", folder=tmp_path)


def test_labels_side_by_side_are_an_error(tmp_path: Path) -> None:
    (write(tmp_path) / "labels_tr.csv").write_text("0,1\n1,0\n")
    with pytest.raises(DataError, match=r"expected one label a row, got 2"):
        datasets.load("rosmap", folder=tmp_path)


def test_another_width_in_test_is_found_when_test_is_read(tmp_path: Path) -> None:
    np.savetxt(write(tmp_path) / "1_te.csv", np.ones((3, 7)), delimiter=",")
    with pytest.raises(DataError, match=r"1_te\.csv: has 7 features, 1_tr\.csv has 6"):
        held_out.load("rosmap", folder=tmp_path)


def test_the_files_of_rosmap_are_not_those_of_brca(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row has the class HER2 \(2\), LumA \(3\), LumB \(4\)"):
        datasets.load("brca", folder=write(tmp_path))


def test_too_few_rows_to_carve_from_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels_tr\.csv: has too few rows to carve"):
        datasets.load("rosmap", folder=write(tmp_path, train=[0, 1, 0, 1]))


# The real ones


def test_the_real_rosmap_has_its_patients_and_views(real_data: Callable[[str], Path]) -> None:
    folder = real_data("rosmap")
    data, test = (
        datasets.load("rosmap", folder=folder),
        held_out.load("rosmap", folder=folder).batch,
    )
    assert dict(data.task.modalities) == {"mrna": 200, "methylation": 200, "mirna": 200}
    seen = data.train.target.bincount() + data.valid.target.bincount()
    assert seen.tolist() == [118, 127]
    assert data.valid.target.bincount().tolist() == [23, 25]
    assert test.target.bincount().tolist() == [51, 55]


def test_the_real_rosmap_is_scaled_to_zero_and_one(real_data: Callable[[str], Path]) -> None:
    train = datasets.load("rosmap", folder=real_data("rosmap")).train
    for value in train.inputs.values():
        assert value.amin() == 0.0
        assert value.amax(dim=0).sub(1).abs().max() < 1e-5


def test_the_rebuilt_brca_is_read_with_its_own_sizes(real_data: Callable[[str], Path]) -> None:
    folder = real_data("brca769")
    data, test = datasets.load("brca", folder=folder), held_out.load("brca", folder=folder).batch
    assert dict(data.task.modalities) == {"mrna": 993, "methylation": 1000, "mirna": 503}
    assert (len(data.train) + len(data.valid), len(test)) == (557, 212)
    assert data.task.balance.startswith(f"{len(data.train)} train labels in 5 classes, ")
