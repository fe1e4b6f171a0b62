"""Valid rows carved out of train, and features scaled by train."""

import numpy as np
import pytest
import torch

from mmsearch.datasets import carving
from mmsearch.datasets.scaling import MinMax
from mmsearch.errors import DataError


def test_a_fifth_of_every_class_becomes_valid() -> None:
    label = torch.tensor([0] * 50 + [1] * 25 + [2] * 14)[torch.randperm(89)]
    valid = label[carving.valid_rows(label, place="here")]
    assert valid.bincount().tolist() == [10, 5, 2]


def test_a_class_of_fewer_than_five_rows_stays_in_train() -> None:
    label = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 2])
    assert label[carving.valid_rows(label, place="here")].tolist() == [0]


def test_numbers_are_carved_evenly_over_their_range() -> None:
    label = torch.linspace(-3, 3, 100)[torch.randperm(100)]
    valid = label[carving.valid_rows(label, place="here")].sort().values
    assert len(valid) == 20
    for group, value in enumerate(valid):
        low, high = (-3 + 6 / 99 * edge for edge in (5 * group, 5 * group + 4))
        assert low - 1e-6 <= value <= high + 1e-6


def test_the_rows_are_drawn_and_not_every_fifth() -> None:
    rows = torch.nonzero(carving.valid_rows(torch.zeros(500, dtype=torch.int64), place="here"))[
        :, 0
    ]
    assert set((rows % 5).tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        pytest.param(torch.zeros(20, dtype=torch.int64), [1, 8, 10, 19], id="classes"),
        pytest.param(torch.arange(20, 0, -1).float(), [0, 9, 11, 18], id="numbers"),
    ],
)
def test_the_same_rows_are_drawn_on_every_machine(label: torch.Tensor, expected: list[int]) -> None:
    assert torch.nonzero(carving.valid_rows(label, place="here"))[:, 0].tolist() == expected


@pytest.mark.parametrize(
    "label",
    [
        pytest.param(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), id="classes"),
        pytest.param(torch.tensor([0.5, 1.5, 2.5, 3.5]), id="numbers"),
    ],
)
def test_too_few_rows_are_refused(label: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"here: has too few rows to carve valid ones"):
        carving.valid_rows(label, place="here")


def test_features_are_scaled_by_the_range_of_train() -> None:
    scaling = MinMax.fit(np.array([[1.0, 10.0], [3.0, 20.0]]))
    scaled = scaling.apply(np.array([[2.0, 10.0], [5.0, 0.0]]))
    np.testing.assert_allclose(scaled, [[0.5, 0.0], [2.0, -1.0]], rtol=1e-6)
    assert scaled.dtype == np.float32


def test_a_feature_that_train_has_one_value_of_is_zero_everywhere() -> None:
    scaling = MinMax.fit(np.array([[7, 1], [7, 2]]))
    assert scaling.apply(np.array([[7, 1], [8, 2]]))[:, 0].tolist() == [0.0, 0.0]


def test_one_of_as_many_rows_as_are_asked_for_becomes_valid() -> None:
    label = torch.tensor([0] * 56 + [1] * 14 + [2] * 13)
    valid = label[carving.valid_rows(label, place="here", group=14)]
    assert valid.tolist() == [0, 0, 0, 0, 1]


def test_the_message_on_too_few_rows_says_how_many_it_takes() -> None:
    with pytest.raises(
        DataError, match=r"here: has too few rows .*, got 9, and no 14 of one class"
    ):
        carving.valid_rows(torch.zeros(9, dtype=torch.int64), place="here", group=14)
