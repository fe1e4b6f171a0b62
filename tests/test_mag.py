"""The reader of MAG-BERT's files: what is in them arrives as it is, and mistakes are one error."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_mag import Content, layout, load, segment, write

from mmsearch import datasets
from mmsearch.datasets import held_out
from mmsearch.errors import DataError


def test_a_file_in_the_layout_gives_train_valid_and_held_out_test(tmp_path: Path) -> None:
    data = load(tmp_path, layout())
    test = held_out.load("mag_mosi", folder=tmp_path)
    assert (len(data.train), len(data.valid), len(test.batch)) == (5, 3, 2)
    assert test.raw["text"].values == ("w0", "w0 w1")
    assert dict(data.task.modalities) == {"text": 0, "audio": 3, "vision": 4}
    assert list(data.task.modalities) == ["text", "audio", "vision"]
    assert data.modalities_told == "text (raw text), audio 3, vision 4"


@pytest.mark.parametrize(("name", "file"), [("mag_mosi", "mosi.pkl"), ("mag_mosei", "mosei.pkl")])
def test_each_dataset_has_its_file_and_the_metrics_of_mag(
    tmp_path: Path, name: str, file: str
) -> None:
    write(tmp_path, layout(), file=file)
    task = datasets.load(name, folder=tmp_path).task
    assert (task.dataset, task.metrics, task.bound) == (name, "mag", 3.0)
    assert task.transform == datasets.TargetTransform()
    assert task.balance.startswith("2 of 5 train labels are negative and 1 are zero")


def test_features_keep_one_row_a_word_and_their_true_lengths(tmp_path: Path) -> None:
    content = layout()
    train = load(tmp_path, content).train
    for name, place in (("vision", 1), ("audio", 2)):
        assert train.lengths[name].tolist() == [1, 2, 3, 4, 5]
        for row, (features, _, _) in enumerate(content["train"]):
            expected = torch.tensor(features[place]).float()
            assert torch.equal(train.inputs[name][row, : row + 1], expected)
            assert not train.inputs[name][row, row + 1 :].any()


def test_words_are_joined_by_spaces_and_labels_are_flattened(tmp_path: Path) -> None:
    data = load(tmp_path, layout())
    assert data.raw["text"][0].values[2] == "w0 w1 w2"
    assert data.train.target.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    "label", [1.5, [1.5], [[1.5]], np.float64(1.5), np.array(1.5), np.array([1.5])]
)
def test_a_label_is_one_number_in_whatever_shape(tmp_path: Path, label: Any) -> None:
    content = layout()
    content["train"][0] = (content["train"][0][0], label, "clip")
    assert float(load(tmp_path, content).train.target[0]) == 1.5


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_words_may_be_an_array_and_segments_lists(tmp_path: Path, protocol: int) -> None:
    content = layout()
    (words, visual, acoustic), label, name = content["train"][2]
    content["train"][2] = [[np.array(words), visual.tolist(), acoustic], label, name]
    write(tmp_path / "b", content, protocol=protocol)
    changed = datasets.load("mag_mosi", folder=tmp_path / "b")
    assert changed.fingerprint == load(tmp_path / "a", layout()).fingerprint


@pytest.mark.parametrize("nothing", [np.zeros((0, 4)), np.zeros(0), []])
def test_a_segment_without_words_has_the_empty_text_and_one_step_of_zeros(
    tmp_path: Path, nothing: Any
) -> None:
    content = layout()
    content["train"][1] = (([], nothing, nothing), 0.0, "clip")
    data = load(tmp_path, content)
    assert data.raw["text"][0].values[1] == ""
    assert int(data.train.lengths["audio"][1]) == 1
    assert not data.train.inputs["audio"][1].any()


def test_minus_infinity_in_acoustic_becomes_zero(tmp_path: Path) -> None:
    content = layout()
    content["train"][3][0][2][1, 2] = -np.inf
    assert load(tmp_path, content).train.inputs["audio"][3, 1, 2] == 0


# Files that are not there


def test_a_missing_file_is_named_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"dataset 'mag_mosei': no file mosei\.pkl in .*BERT_multimodal_transformer on GitHub",
    ):
        datasets.check("mag_mosei", folder=tmp_path)


def test_without_any_folder_the_error_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match="neither by --data nor by MMSEARCH_DATA"):
        datasets.check("mag_mosi")


@pytest.mark.parametrize("place", ["mag_mosi", "mag"])
def test_the_environment_names_a_folder_of_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write(tmp_path / place, layout())
    monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    datasets.check("mag_mosi")


# Wrong files


def first(*, words: Any = None, visual: Any = None, acoustic: Any = None, label: Any = 0.5) -> Any:
    """Replaces parts of the first segment of train, which has one word."""

    def spoil(content: Content) -> None:
        (was_words, was_visual, was_acoustic), _, name = content["train"][0]
        content["train"][0] = (
            (
                was_words if words is None else words,
                was_visual if visual is None else visual,
                was_acoustic if acoustic is None else acoustic,
            ),
            label,
            name,
        )

    return spoil


def put(split: str, value: Any) -> Callable[[Content], object]:
    return lambda content: content.update({split: value})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda content: content.pop("dev"), "dev: expected a list of segments", id="no-split"
        ),
        pytest.param(put("train", {}), "train: expected a list of segments", id="dict"),
        pytest.param(put("train", []), "train: the split is empty", id="empty"),
        pytest.param(
            put("dev", [segment(2), (1, 2)]),
            r"dev/1: expected \(\(words, visual, acoustic\), label, name\)",
            id="no-segment",
        ),
        pytest.param(
            put("train", [(([], [], []), 0.0, "clip")] * 2),
            "train/audio: expected as many features in every segment, got no words",
            id="no-words-at-all",
        ),
        pytest.param(first(words="w0"), "train/0/words: is not a list of words", id="one-text"),
        pytest.param(first(words=[3]), "train/0/words: .*expected a text, got int", id="number"),
        pytest.param(
            first(words=["w0", "w1"]),
            "train/0/acoustic: has 1 rows, the segment has 2 words",
            id="more-words",
        ),
        pytest.param(
            first(words=[]), "train/0/acoustic: has 1 rows, the segment has 0 words", id="no-words"
        ),
        pytest.param(
            first(visual=np.ones(4)),
            r"train/0/visual: expected \(words, features\), got shape \(4,\)",
            id="no-words-dimension",
        ),
        pytest.param(
            first(visual=np.ones((1, 5))),
            "train/vision: expected as many features in every segment, got from 4 to 5",
            id="widths-in-a-split",
        ),
        pytest.param(
            put("dev", [((["w0"], np.ones((1, 4)), np.ones((1, 2))), 0.5, "clip")]),
            "audio: expected the same features in every split, got 3 in train, 2 in valid",
            id="widths-of-splits",
        ),
        pytest.param(
            first(visual=np.full((1, 4), -np.inf)),
            "train/0/visual: expected finite features, row 0",
            id="infinite-vision",
        ),
        pytest.param(
            first(acoustic=np.full((1, 3), np.nan)),
            "train/0/acoustic: expected finite features, row 0",
            id="nan",
        ),
        pytest.param(
            first(acoustic=[["a", "b", "c"]]),
            "train/0/acoustic: is not an array of numbers",
            id="text-as-features",
        ),
        pytest.param(
            first(label=np.ones(2)), r"train/0/label: expected one number, got shape \(2,\)", id="2"
        ),
        pytest.param(
            first(label=3.5), "train/0/label: expected a label from -3 to 3, got 3.5", id="range"
        ),
        pytest.param(first(label=np.nan), "label from -3 to 3, got nan", id="nan-label"),
        pytest.param(first(label="good"), "train/0/label: is not an array of", id="text-as-label"),
    ],
)
def test_a_bad_layout_is_one_error_with_place_rule_and_way_out(
    tmp_path: Path, spoil: Callable[[Content], object], message: str
) -> None:
    content = layout()
    spoil(content)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, content)
    (problem,) = caught.value.problems
    assert problem.place.startswith(str(tmp_path / "mosi.pkl"))
    assert problem.way_out


def test_a_pickle_that_is_no_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a dict of splits, got list"):
        load(tmp_path, [1, 2])


def test_a_bad_test_split_does_not_keep_a_search_from_starting(tmp_path: Path) -> None:
    content = layout()
    content["test"] = []
    load(tmp_path, content)
    with pytest.raises(DataError, match="test: the split is empty"):
        held_out.load("mag_mosi", folder=tmp_path)


def test_a_file_cannot_run_a_command(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    content = layout()
    content["test"].append(Trap())
    with pytest.raises(DataError, match="which could run code"):
        load(tmp_path, content)
    assert not (tmp_path / "ran").exists()
