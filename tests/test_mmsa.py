"""The reader of MMSA's files: what is in them arrives as it is."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_mmsa import UNLISTED, layout, load, write

from mmsearch import datasets
from mmsearch.datasets import held_out, mmsa, unpickle
from mmsearch.errors import DataError


def test_a_file_in_the_layout_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = load(tmp_path, layout())
    with pytest.warns(UserWarning, match=UNLISTED):
        test = held_out.load("mosi", folder=tmp_path).batch
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


# Raw text


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(list, id="list"),
        pytest.param(tuple, id="tuple"),
        pytest.param(np.array, id="unicode"),
        pytest.param(lambda texts: np.array(texts, dtype=">U20"), id="big-endian-unicode"),
        pytest.param(lambda texts: np.array(texts, dtype=object), id="objects"),
        pytest.param(lambda texts: list(np.array(texts)), id="list-of-numpy-texts"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_texts_are_read_however_they_are_kept(tmp_path: Path, written: Any, protocol: int) -> None:
    texts = ["so good", "", "很好 é"]
    path = write(tmp_path / "file.pkl", written(texts), protocol=protocol)
    assert unpickle.as_texts(unpickle.unpickle(path)) == texts


def test_raw_text_comes_beside_the_features_of_text(tmp_path: Path) -> None:
    data = load(tmp_path, layout())
    train, valid = data.raw["text"]
    assert (train.kind, train.values) == ("text", tuple(f"words {row}" for row in range(6)))
    assert len(valid) == 3
    assert data.modalities_told == "text 768 (and raw text), audio 5, vision 20"
    with pytest.warns(UserWarning, match=UNLISTED):
        assert len(held_out.load("mosi", folder=tmp_path).raw["text"]) == 4


def test_a_file_without_raw_text_has_none(tmp_path: Path) -> None:
    content = layout()
    for split in content.values():
        del split["raw_text"]
    data = load(tmp_path, content)
    assert dict(data.raw) == {}
    assert data.modalities_told == "text 768, audio 5, vision 20"


def test_a_changed_text_changes_the_fingerprint(tmp_path: Path) -> None:
    content = layout()
    before = load(tmp_path / "before", content).fingerprint
    content["valid"]["raw_text"][2] = "other words"
    assert load(tmp_path / "after", content).fingerprint != before


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
