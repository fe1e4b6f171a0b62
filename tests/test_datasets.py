"""Datasets: the embedded one, pickles in MMSA's layout, hostile pickles, and the test split."""

import hashlib
import os
import pickle
import re
import runpy
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmsearch import datasets
from mmsearch.datasets import base, held_out, mmsa, mosei922, unpickle
from mmsearch.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
UNLISTED = "not one that MMSA lists"


# The door


def test_datasets_are_found_by_their_files() -> None:
    assert datasets.known() == ["mosei", "mosei922", "mosi", "sims"]


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
    assert (len(data.train), len(data.valid), len(held_out.load("mosei922"))) == (526, 132, 264)


def test_the_embedded_dataset_has_three_modalities_as_sequences_of_one_step() -> None:
    data = datasets.load("mosei922")
    assert dict(data.task.modalities) == {"text": 768, "audio": 39, "vision": 34}
    for split in (data.train, data.valid, held_out.load("mosei922")):
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


def test_nothing_in_the_package_imports_held_out() -> None:
    importers = [
        path.name
        for path in (ROOT / "mmsearch").rglob("*.py")
        if re.search(
            r"^\s*(from|import) .*held_out", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert importers == []


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


# MMSA's layout


ROWS = {"train": 6, "valid": 3, "test": 4}


def layout(*, bound: float = 3.0) -> dict[str, dict[str, Any]]:
    """What an unaligned file holds, small: 5 tokens, 7 and 9 steps; lengths in the arrays."""
    generator = np.random.default_rng(0)

    def split(rows: int) -> dict[str, Any]:
        tokens = np.zeros((rows, 3, 5), dtype=np.int64)
        tokens[:, 1, :4] = 1
        return {
            "raw_text": [f"words {row}" for row in range(rows)],
            "id": np.array([f"video_{row}$_$1" for row in range(rows)]),
            "text": generator.normal(size=(rows, 5, 768)).astype(np.float32),
            "text_bert": tokens,
            "audio": generator.normal(size=(rows, 7, 5)).astype(np.float32),
            "vision": generator.normal(size=(rows, 9, 20)),
            "audio_lengths": np.arange(rows) + 2,
            "vision_lengths": [9] * rows,
            "annotations": ["Neutral"] * rows,
            "classification_labels": np.ones(rows),
            "regression_labels": np.linspace(-bound, bound, rows).astype(np.float32),
        }

    return {name: split(rows) for name, rows in ROWS.items()}


def write(path: Path, content: object, *, protocol: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def load(
    folder: Path, content: object, *, name: str = "mosi", file: str = "unaligned_50.pkl"
) -> datasets.SearchData:
    write(folder / file, content)
    with pytest.warns(UserWarning, match=UNLISTED):
        return datasets.load(name, folder=folder)


def test_a_file_in_the_layout_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = load(tmp_path, layout())
    with pytest.warns(UserWarning, match=UNLISTED):
        test = held_out.load("mosi", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test)) == (6, 3, 4)
    assert dict(data.task.modalities) == {"text": 768, "audio": 5, "vision": 20}
    assert list(data.task.modalities) == ["text", "audio", "vision"]


def test_features_and_labels_arrive_as_they_are(tmp_path: Path) -> None:
    content = layout()
    train = load(tmp_path, content).train
    for row, length in enumerate([2, 3, 4, 5, 6, 7]):
        expected = torch.from_numpy(content["train"]["audio"][row, :length])
        assert torch.equal(train.inputs["audio"][row, :length], expected)
    assert torch.equal(train.inputs["text"][:, 0], torch.from_numpy(content["train"]["text"][:, 0]))
    assert train.target.tolist() == content["train"]["regression_labels"].tolist()
    assert train.rows.tolist() == list(range(6))
    assert train.inputs["vision"].dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "file", "bound", "family"),
    [
        pytest.param("mosi", "aligned_50.pkl", 3.0, "mosi", id="mosi"),
        pytest.param("mosei", "aligned_50.pkl", 3.0, "mosi", id="mosei"),
        pytest.param("sims", "unaligned_39.pkl", 1.0, "sims", id="sims"),
    ],
)
def test_each_dataset_has_its_bound_and_metrics(
    tmp_path: Path, name: str, file: str, bound: float, family: str
) -> None:
    task = load(tmp_path, layout(bound=bound), name=name, file=file).task
    assert (task.dataset, task.bound, task.metrics) == (name, bound, family)
    assert (task.transform.center, task.transform.scale) == (0.0, 1.0)


def test_the_aligned_file_is_preferred(tmp_path: Path) -> None:
    write(tmp_path / "unaligned_50.pkl", "not even a dict")
    assert len(load(tmp_path, layout(), file="aligned_50.pkl").train) == 6


def test_lengths_come_from_the_arrays(tmp_path: Path) -> None:
    train = load(tmp_path, layout()).train
    assert train.lengths["audio"].tolist() == [2, 3, 4, 5, 6, 7]
    assert train.lengths["vision"].tolist() == [9] * 6


def test_lengths_of_an_aligned_file_are_full_even_if_it_states_some(tmp_path: Path) -> None:
    content = layout()
    content["train"]["vision_lengths"] = [500] * 6
    del content["valid"]["audio_lengths"]
    data = load(tmp_path, content, file="aligned_50.pkl")
    assert data.train.lengths["audio"].tolist() == [7] * 6
    assert data.train.lengths["vision"].tolist() == [9] * 6
    assert data.valid.lengths["audio"].tolist() == [7] * 3


def test_text_lengths_come_from_the_attention_mask(tmp_path: Path) -> None:
    content = layout()
    content["train"]["text_bert"] = content["train"]["text_bert"].astype(np.float32)
    del content["valid"]["text_bert"]
    data = load(tmp_path, content)
    assert data.train.lengths["text"].tolist() == [4] * 6
    assert data.valid.lengths["text"].tolist() == [5] * 3


def test_a_length_of_zero_becomes_one(tmp_path: Path) -> None:
    content = layout()
    content["train"]["audio_lengths"][0] = 0
    assert load(tmp_path, content).train.lengths["audio"][0] == 1


def test_what_lies_beyond_a_length_is_zero(tmp_path: Path) -> None:
    audio = load(tmp_path, layout()).train.inputs["audio"]
    assert audio[0, 2:].abs().sum() == 0
    assert audio[0, :2].abs().min() > 0


def test_minus_infinity_in_audio_becomes_zero(tmp_path: Path) -> None:
    content = layout()
    content["train"]["audio"][0, 1, 3] = -np.inf
    assert load(tmp_path, content).train.inputs["audio"][0, 1, 3] == 0


@pytest.mark.parametrize("protocol", range(6))
def test_every_pickle_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    content = layout()
    write(tmp_path / "file.pkl", content["train"], protocol=protocol)
    found = unpickle.unpickle(tmp_path / "file.pkl")
    for key in ("text", "text_bert", "vision", "vision_lengths", "regression_labels"):
        np.testing.assert_array_equal(unpickle.as_array(found[key]), content["train"][key])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(np.asfortranarray(np.arange(6.0).reshape(2, 3)), id="fortran-order"),
        pytest.param(np.arange(6, dtype=">i4").reshape(2, 3), id="big-endian"),
        pytest.param([np.float32(1.5), np.float64(2.5)], id="list-of-scalars"),
        pytest.param([np.ones(3), np.zeros(3)], id="list-of-arrays"),
        pytest.param(np.array([[1.5, 2], [3, 4]], dtype=object), id="objects-that-are-numbers"),
        pytest.param(np.zeros((0, 3)), id="empty"),
        pytest.param(np.array([True, False]), id="truth-values"),
        pytest.param([[1, 2], (3, 4)], id="plain-lists"),
        pytest.param(np.arange(12.0).reshape(3, 4)[:, ::2], id="strided"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_numbers_in_any_shape_are_rebuilt(tmp_path: Path, value: Any, protocol: int) -> None:
    found = unpickle.unpickle(write(tmp_path / "file.pkl", value, protocol=protocol))
    np.testing.assert_array_equal(unpickle.as_array(found), np.array(value))


def test_object_arrays_of_arrays_are_rebuilt(tmp_path: Path) -> None:
    value = np.empty(2, dtype=object)
    value[:] = [np.ones((3, 2)), np.zeros((3, 2))]
    found = unpickle.as_array(unpickle.unpickle(write(tmp_path / "file.pkl", value)))
    np.testing.assert_array_equal(found, np.stack(list(value)))


def test_lists_instead_of_arrays_are_read(tmp_path: Path) -> None:
    content = layout()
    as_lists = {
        split: {key: list(value) for key, value in part.items()} for split, part in content.items()
    }
    first, second = load(tmp_path / "a", content), load(tmp_path / "b", as_lists)
    assert first.fingerprint == second.fingerprint


def test_labels_in_a_column_are_flattened(tmp_path: Path) -> None:
    content = layout()
    content["train"]["regression_labels"] = content["train"]["regression_labels"][:, None]
    assert load(tmp_path, content).train.target.shape == (6,)


def test_the_balance_of_a_file_is_said(tmp_path: Path) -> None:
    content = layout()
    content["train"]["regression_labels"][:] = [-1, -2, -0.5, -1, 0, 2]
    assert load(tmp_path, content).task.balance == (
        "4 of 6 train labels are negative and 1 are zero: "
        "answering always negative has accuracy 0.67"
    )


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
            "lengths of audio: expected at most 7 steps, got 8",
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


# Files that are not there, or not the known ones


def test_a_missing_file_is_named_with_its_source_and_the_embedded_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"dataset 'mosei': no file aligned_50.pkl or unaligned_50.pkl in .*"
        r"thuiar/MMSA on GitHub.*--data or MMSEARCH_DATA.*--set dataset=mosei922",
    ):
        datasets.check("mosei", folder=tmp_path)


def test_without_any_folder_the_error_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match="neither by --data nor by MMSEARCH_DATA"):
        datasets.check("sims")


@pytest.mark.parametrize("place", ["mosi", "MOSI/Processed"])
def test_the_environment_names_a_folder_of_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write(tmp_path / place / "aligned_50.pkl", layout())
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    datasets.check("mosi")


def test_a_file_straight_in_the_environments_folder_could_be_another_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "aligned_50.pkl", layout())
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"no file aligned_50\.pkl"):
        datasets.check("mosi")


def test_checking_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "aligned_50.pkl").write_bytes(b"not a pickle")
    datasets.check("mosi", folder=tmp_path)


def listed_as(path: Path, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(mmsa, "CHECKSUMS", {checksum: owner})


def test_a_file_that_mmsa_lists_is_read_without_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed_as(write(tmp_path / "aligned_50.pkl", layout()), "mosi", monkeypatch)
    datasets.load("mosi", folder=tmp_path)


def test_the_file_of_another_dataset_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed_as(write(tmp_path / "aligned_50.pkl", layout()), "mosei", monkeypatch)
    with pytest.raises(DataError, match="this is MMSA's file of mosei, not of mosi"):
        datasets.load("mosi", folder=tmp_path)


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
        pytest.param(b"cnumpy\ndtype\nVx\nb.", "damaged or cut off", id="state-for-a-class"),
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


def test_a_structured_array_that_nobody_asks_for_does_no_harm(tmp_path: Path) -> None:
    content = layout()
    content["train"]["annotations"] = np.zeros(2, dtype=[("a", "f4"), ("b", object)])
    assert len(load(tmp_path, content).train) == 6
