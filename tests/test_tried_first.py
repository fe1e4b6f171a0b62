"""Configurations that are tried first: from a study file, or the best of an earlier study."""

from dataclasses import replace
from pathlib import Path

import pytest
from toy_ledger import PROVENANCE, begin, epochs

from mmsearch import methods, sampling
from mmsearch.errors import StudyError
from mmsearch.sampling.proposals import propose
from mmsearch.study import Study, loads
from mmsearch.trial import Completed
from mmsearch.tune.prior import MOST, best_of

FILE = """
method = "selfmi"
dataset = "mosei922"
budget = { trials = 20, max_epochs = 3 }
scheduler = { kind = "none" }
objective = { metric = "valid/mae", direction = "minimize" }
published = { fusion = { kind = "concat" } }
FIRST
[space]
learning_rate_other = { log_uniform = [1e-4, 1e-2] }
batch_size          = { choice = [16, 32, 64] }
[space.fusion]
concat   = {}
low_rank = { rank = { int_uniform = [2, 16] } }
"""


def study(*first: str) -> Study:
    text = FILE.replace("FIRST", f"first = [{', '.join(first)}]" if first else "")
    return loads(text, place="toy.toml", schema_of=methods.schema_of)


def searched(folder: Path, asked: Study, number: int) -> str:
    """The URL of a study whose trial n of so many ends at (n - 7)² + 1."""
    url = f"journal://{folder / 'study.journal'}"
    with sampling.open_ledger(url, asked, provenance=PROVENANCE, resume=False) as ledger:
        for n in range(number):
            assert begin(ledger) == n
            ledger.observe(n, epochs(1, *[(n - 7) ** 2 + 1.0] * 3), ending=Completed())
            ledger.close(n, Completed())
    return url


def test_what_is_to_be_tried_first_follows_the_published_configuration():
    asked = study(
        "{ learning_rate_other = 2e-3, fusion = { kind = 'low_rank', rank = 8 } }",
        "{ batch_size = 64 }",
    )
    trials = []
    for expected in (
        asked.published,
        {**asked.published, "learning_rate_other": 2e-3, "fusion": asked.first[0]["fusion"]},
        {**asked.published, "batch_size": 64},
    ):
        assert propose(asked, trials) == expected
        trials.append(None)
    assert asked.first[0]["fusion"]["rank"] == 8


def test_it_stays_in_the_text_of_the_study():
    asked = study("{ batch_size = 64 }")
    again = loads(asked.text, place="toy.toml", schema_of=methods.schema_of)
    assert again.first == asked.first
    assert "first" not in study().text


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("{ batch_size = 5 }", r"\[first\] 0 batch_size: 5 lies outside the space"),
        ("{ batch_sise = 16 }", r"\[first\] 0.batch_sise: unknown key.*'batch_size'"),
        ("{ dropout_text = 0.5 }", r"\[first\] 0: the space does not search dropout_text"),
        ("3", r"\[first\] 0: must be a table, got 3"),
    ],
)
def test_what_cannot_be_tried_is_refused(first: str, said: str):
    with pytest.raises(StudyError, match=said):
        study(first)


def test_the_best_of_an_earlier_study_are_tried_first(tmp_path: Path):
    url = searched(tmp_path, study(), 12)
    record = sampling.read(url)
    best = best_of(str(tmp_path), study())
    assert best == best_of(url, study())
    assert len(best) == MOST
    wanted = [record.trials[n].config for n in (7, 6, 8, 5, 9)]
    assert [{**study().published, **one} for one in best] == wanted
    assert set(best[0]) == {"learning_rate_other", "batch_size", "fusion"}


def test_only_what_lies_in_the_space_is_taken_over(tmp_path: Path):
    url = searched(tmp_path, study(), 12)
    text = study().text.replace("choice = [\n    16,\n    32,\n    64,\n]", "choice = [16, 64]")
    assert text != study().text
    narrower = loads(text, place="toy.toml", schema_of=methods.schema_of)
    taken = [one["batch_size"] for one in best_of(url, narrower)]
    assert 32 not in taken
    assert taken


def test_a_study_of_another_method_or_without_a_trial_is_no_prior(tmp_path: Path):
    url = searched(tmp_path, study(), 1)
    with pytest.raises(StudyError, match="no completed trial of it but the published one"):
        best_of(url, study())
    with pytest.raises(StudyError, match="is a study of selfmi, and mim is to be searched"):
        best_of(url, replace(study(), method="mim"))
