"""Some seconds of fuzzing; `python tests/fuzzing.py --minutes 10` goes on."""

import pytest
from fuzzing import STRATEGIES, fuzz

SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_a_file_holds_is_data_or_an_answer(name: str) -> None:
    assert fuzz(name, seconds=SECONDS) > 0
