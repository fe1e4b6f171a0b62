"""Paired tests against scipy's, and Holm's adjustment by hand."""

import pytest
from scipy import stats

from mmsearch.selection.paired import holm, paired


def test_the_test_is_scipys_over_the_seeds_that_both_have():
    left, right = {1: 0.3, 2: 0.5, 3: 0.9, 7: 9.0}, {1: 0.1, 2: 0.6, 3: 0.2, 5: -9.0}
    expected = stats.ttest_rel([0.3, 0.5, 0.9], [0.1, 0.6, 0.2]).pvalue
    assert paired(left, right) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("left", "right", "p"),
    [
        pytest.param({1: 0.3}, {1: 0.1}, None, id="one pair says nothing"),
        pytest.param({1: 0.3, 2: 0.4}, {3: 0.1, 4: 0.2}, None, id="no common seed"),
        pytest.param({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}, 1.0, id="the same"),
        pytest.param({1: 0.75, 2: 0.5}, {1: 0.5, 2: 0.25}, 0.0, id="always as much better"),
    ],
)
def test_where_there_is_nothing_to_compute(left, right, p):
    assert paired(left, right) == p


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({4: 0.03}, {4: 0.03}, id="one"),
        pytest.param(
            {1: 0.01, 2: 0.04, 3: 0.03},
            {1: 0.03, 3: 0.06, 2: 0.06},
            id="never below the one before",
        ),
        pytest.param({1: 0.9, 2: 0.8}, {2: 1.0, 1: 1.0}, id="at most one"),
    ],
)
def test_p_is_adjusted_as_holm_says(ps, adjusted):
    assert holm(ps) == pytest.approx(adjusted)
