"""The embedded classification: its split, its scaling, its task."""

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmsearch import datasets
from mmsearch.datasets import held_out, mfeat
from mmsearch.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}


def test_every_split_has_as_many_rows_of_each_digit() -> None:
    data = datasets.load("mfeat")
    splits = {"train": data.train, "valid": data.valid, "test": held_out.load("mfeat").batch}
    counts = {name: split.target.bincount().tolist() for name, split in splits.items()}
    assert counts == {"train": [120] * 10, "valid": [40] * 10, "test": [40] * 10}


def test_there_are_six_views_of_one_step() -> None:
    data = datasets.load("mfeat")
    assert dict(data.task.modalities) == WIDTHS
    for split in (data.train, data.valid, held_out.load("mfeat").batch):
        for name, width in WIDTHS.items():
            assert split.inputs[name].shape == (len(split), 1, width)
            assert bool(split.inputs[name].isfinite().all())
            assert split.lengths[name].tolist() == [1] * len(split)


def test_the_task_is_a_classification_of_ten_digits() -> None:
    task = datasets.load("mfeat").task
    assert (task.loss_family, task.metrics) == ("classification", "multiclass")
    assert task.classes == tuple("0123456789")
    assert task.outputs == 10
    assert task.train_target.dtype == torch.int64


def test_the_balance_is_said() -> None:
    balance = datasets.load("mfeat").task.balance
    assert balance == (
        "1200 train labels in 10 classes, 120 of each: answering always 0 has accuracy 0.10"
    )


@pytest.mark.parametrize("name", WIDTHS)
def test_features_are_scaled_to_zero_and_one_by_train_alone(name: str) -> None:
    data = datasets.load("mfeat")
    train = data.train.inputs[name][:, 0]
    constant = train.amax(dim=0) == 0
    assert train.amin(dim=0).tolist() == [0.0] * WIDTHS[name]
    assert torch.allclose(train.amax(dim=0)[~constant], torch.tensor(1.0))
    assert data.valid.inputs[name].abs().max() < 3


def test_a_folder_has_no_effect_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset 'mfeat': is bundled with mmsearch"):
        datasets.load("mfeat", folder=tmp_path)


def test_a_search_does_not_open_the_file_of_the_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(mfeat.FILES / "train_valid.npz", tmp_path)
    monkeypatch.setattr(mfeat, "FILES", tmp_path)
    datasets.load("mfeat")
    with pytest.raises(DataError, match=r"test\.npz: the bundled file cannot be read"):
        held_out.load("mfeat")


def test_the_bundled_files_are_small_enough() -> None:
    assert sum(path.stat().st_size for path in mfeat.FILES.iterdir()) < 2.5e6


def test_the_bundled_files_are_what_the_rule_gives(real_data: Callable[[str], Path]) -> None:
    script = ROOT / "benchmarks" / "make_mfeat.py"
    if not script.is_file():
        pytest.skip("no benchmarks folder: this is not a checkout")
    for file, arrays in runpy.run_path(str(script))["make"](
        real_data("mfeat") / "mfeat.npz"
    ).items():
        with np.load(mfeat.FILES / file) as stored:
            assert set(stored) == set(arrays)
            for name, values in arrays.items():
                np.testing.assert_array_equal(stored[name], values, err_msg=name)


def test_every_value_of_the_source_is_in_exactly_one_split(
    real_data: Callable[[str], Path],
) -> None:
    with np.load(real_data("mfeat") / "mfeat.npz") as source:
        digits, kar = source["y"], source["kar"]
    stored = {}
    for file in ("train_valid.npz", "test.npz"):
        with np.load(mfeat.FILES / file) as part:
            stored |= dict(part)
    found = np.concatenate([stored[f"{split}_kar"] for split in ("train", "valid", "test")])
    label = np.concatenate([stored[f"{split}_label"] for split in ("train", "valid", "test")])
    ours, theirs = (np.lexsort(values.T) for values in (found, kar))
    np.testing.assert_array_equal(found[ours], kar[theirs])
    np.testing.assert_array_equal(label[ours], digits[theirs])
