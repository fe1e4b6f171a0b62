"""The embedded dataset, the door, fingerprints, and the seal of the test split."""

import re
import runpy
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_mmsa import UNLISTED, layout, load, write

from mmsearch import datasets
from mmsearch.datasets import base, held_out, inspection, labels, mosei922
from mmsearch.errors import DataError

ROOT = Path(__file__).resolve().parent.parent


# The door


def test_datasets_are_found_by_their_files() -> None:
    assert datasets.known() == [
        "arrays",
        "brca",
        "food101",
        "mag_mosei",
        "mag_mosi",
        "mfeat",
        "mosei",
        "mosei922",
        "mosi",
        "n24news_abstract",
        "n24news_article",
        "n24news_caption",
        "n24news_headline",
        "rosmap",
        "sims",
        "table",
    ]


@pytest.mark.parametrize("name", datasets.known())
def test_every_file_that_is_no_machinery_defines_a_dataset(name: str) -> None:
    dataset = import_module(f"mmsearch.datasets.{name}").DATASET
    assert isinstance(dataset, base.Dataset)
    assert dataset.name == name


def test_a_misspelt_name_is_answered_with_the_closest() -> None:
    with pytest.raises(DataError, match=r"called 'mosi922'\. Did you mean 'mosei922'\?"):
        datasets.load("mosi922")


# The embedded dataset


def test_the_embedded_dataset_has_its_documented_rows() -> None:
    data = datasets.load("mosei922")
    assert (len(data.train), len(data.valid), len(held_out.load("mosei922").batch)) == (
        526,
        132,
        264,
    )


def test_the_embedded_dataset_has_three_modalities_as_sequences_of_one_step() -> None:
    data = datasets.load("mosei922")
    assert dict(data.task.modalities) == {"text": 768, "audio": 39, "vision": 34}
    for split in (data.train, data.valid, held_out.load("mosei922").batch):
        for name, width in data.task.modalities.items():
            assert split.inputs[name].shape == (len(split), 1, width)
            assert bool(split.inputs[name].isfinite().all())
            assert split.lengths[name].tolist() == [1] * len(split)


def test_the_embedded_target_is_centred_on_the_train_median_and_fits_the_bound() -> None:
    data = datasets.load("mosei922")
    target = data.train.target
    assert float(target.median()) == 0.0
    assert float(target.abs().max()) == pytest.approx(data.task.bound) == pytest.approx(3.0)
    assert torch.equal(data.task.train_target, target)


def test_the_embedded_target_transform_is_invertible() -> None:
    transform = datasets.load("mosei922").task.transform
    label = torch.linspace(-0.1, 0.9, 101)
    assert torch.allclose(transform.decode(transform.encode(label)), label, atol=1e-7)


def test_the_embedded_target_decodes_to_the_stored_labels() -> None:
    data = datasets.load("mosei922")
    with np.load(mosei922.FILES / "train_valid.npz") as stored:
        label = torch.from_numpy(stored["valid_label"])
    assert torch.allclose(data.task.transform.decode(data.valid.target), label, atol=1e-7)


@pytest.mark.parametrize("name", ["audio", "vision"])
def test_embedded_features_are_standardised_by_train_alone(name: str) -> None:
    data = datasets.load("mosei922")
    train, valid = (split.inputs[name].double() for split in (data.train, data.valid))
    assert train.mean(dim=0).abs().max() < 1e-6
    assert (train.std(dim=0, correction=0) - 1).abs().max() < 1e-6
    assert valid.mean(dim=0).abs().max() > 1e-2


def test_the_balance_of_the_embedded_labels_is_said() -> None:
    balance = datasets.load("mosei922").task.balance
    assert "mean of sentiment and six emotions, not pure sentiment" in balance
    assert "15 of 526 train labels are negative" in balance
    assert "accuracy 0.97, so read mae and corr" in balance


def test_a_folder_for_the_embedded_dataset_has_no_effect_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is bundled with mmsearch.*Leave the folder"):
        datasets.load("mosei922", folder=tmp_path)


def test_a_search_does_not_open_the_file_of_the_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(mosei922.FILES / "train_valid.npz", tmp_path)
    monkeypatch.setattr(mosei922, "FILES", tmp_path)
    datasets.load("mosei922")
    with pytest.raises(DataError, match=r"test\.npz: the bundled file cannot be read"):
        held_out.load("mosei922")


def test_a_damaged_bundled_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train_valid.npz").write_bytes(b"PK\3\4 and then nothing")
    monkeypatch.setattr(mosei922, "FILES", tmp_path)
    with pytest.raises(DataError, match=r"train_valid\.npz.*Install mmsearch again"):
        datasets.load("mosei922")


def test_only_held_out_asks_a_dataset_for_test() -> None:
    askers = [
        path.name
        for path in (ROOT / "mmsearch").rglob("*.py")
        if '"test")' in path.read_text(encoding="utf-8")
    ]
    assert askers == ["held_out.py"]


def test_only_the_command_that_checks_data_inspects_it() -> None:
    importers = [
        path.name
        for path in (ROOT / "mmsearch").rglob("*.py")
        if "datasets.inspection import" in path.read_text(encoding="utf-8")
    ]
    assert importers == ["data.py"]


def test_nothing_of_test_but_its_rows_leaves_an_inspection(tmp_path: Path) -> None:
    content = layout()
    write(tmp_path / "unaligned_50.pkl", content)
    with pytest.warns(UserWarning, match=UNLISTED):
        before = inspection.inspect("mosi", folder=tmp_path)
    for key in ("text", "audio", "vision", "regression_labels"):
        content["test"][key] = content["test"][key] * 0.5
    write(tmp_path / "unaligned_50.pkl", content)
    with pytest.warns(UserWarning, match=UNLISTED):
        after = inspection.inspect("mosi", folder=tmp_path)
    assert (after.rows, after.fingerprint) == (before.rows, before.fingerprint)
    assert torch.equal(after.task.train_target, before.task.train_target)
    assert before.rows == {"train": 6, "valid": 3, "test": 4}


def test_an_inspection_and_a_search_see_the_same_data() -> None:
    assert inspection.inspect("mfeat").fingerprint == datasets.load("mfeat").fingerprint


def test_the_room_that_opens_test_alone_imports_held_out() -> None:
    importers = [
        path.name
        for path in (ROOT / "mmsearch").rglob("*.py")
        if re.search(
            r"^\s*(from|import) .*held_out", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert importers == ["opening.py"]


def test_the_bundled_files_are_what_the_rule_gives(real_data: Callable[[str], Path]) -> None:
    script = ROOT / "benchmarks" / "make_mosei922.py"
    if not script.is_file():
        pytest.skip("no benchmarks folder: this is not a checkout")
    make = runpy.run_path(str(script))["make"]
    for file, arrays in make(real_data("mosei922") / "mosei_video.npz").items():
        with np.load(mosei922.FILES / file) as stored:
            assert set(stored) == set(arrays)
            for name, values in arrays.items():
                np.testing.assert_array_equal(stored[name], values, err_msg=name)


def test_valid_has_the_label_spread_of_train() -> None:
    data = datasets.load("mosei922")
    fractions = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    difference = data.train.target.quantile(fractions) - data.valid.target.quantile(fractions)
    assert difference.abs().max() < 0.1


def test_of_many_classes_the_balance_tells_the_rarest_and_the_commonest() -> None:
    label = torch.cat([torch.arange(12), torch.tensor([3, 3, 5])])
    told = labels.class_balance(label, [f"c{number}" for number in range(12)])
    assert told == (
        "15 train labels in 12 classes, 1 of c0 to 3 of c3: answering always c3 has accuracy 0.20"
    )


# Fingerprints


def test_the_same_data_has_the_same_fingerprint() -> None:
    first, second = (datasets.load("mosei922").fingerprint for _ in range(2))
    assert first == second
    assert len(bytes.fromhex(first)) == 32


@pytest.mark.parametrize("part", ["text", "audio", "regression_labels", "audio_lengths"])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_one_changed_number_changes_the_fingerprint(tmp_path: Path, part: str, split: str) -> None:
    content = layout()
    before = load(tmp_path / "before", content).fingerprint
    flat = content[split][part].reshape(-1)
    flat[0] += 1
    assert load(tmp_path / "after", content).fingerprint != before


def test_the_test_split_is_not_in_the_fingerprint(tmp_path: Path) -> None:
    content = layout()
    before = load(tmp_path / "before", content).fingerprint
    content["test"]["regression_labels"][0] += 0.5
    assert load(tmp_path / "after", content).fingerprint == before
