"""Several objectives: the Pareto set, scores as one objective, and what a study says of them."""

from dataclasses import replace

import numpy as np
import pytest
from toy_ledger import STUDY

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.sampling.scalarising import SUM, as_single
from mmsearch.seeds import Seed
from mmsearch.study import COST, Objective, loads, pareto_set, values
from mmsearch.trial import Completed, Observation, Running, Stopped, Trial

CORR, SECONDS = Objective("valid/corr", "maximize"), Objective(COST, "minimize")
FILE = """method = "selfmi"
dataset = "mosei922"
budget = {{ trials = 9, max_epochs = 9 }}
[objective]
metric = "valid/mae"
direction = "minimize"
others = {}
[space]
batch_size = {{ choice = [16, 32] }}
"""
DONE = Completed()
TWO = replace(STUDY, others=(CORR,))
THREE = replace(STUDY, others=(CORR, SECONDS))


def trial(number: int, *worth: tuple[float, float], state=DONE, seconds=1.0) -> Trial:
    """With MAE and correlation of each epoch."""
    seen = tuple(
        Observation(epoch, {"valid/mae": mae, "valid/corr": corr}, seconds)
        for epoch, (mae, corr) in enumerate(worth, 1)
    )
    rungs = {rung: min(mae for mae, _ in worth[:rung]) for rung in (2, 4, 8) if rung <= len(worth)}
    value = min(mae for mae, _ in worth)
    seed = Seed(STUDY.seed, number)
    return Trial(number, {}, {}, seed, state, value, 1, rungs, seen)


def test_all_objectives_count_at_the_epoch_of_the_leading_ones_value():
    found = trial(0, (0.5, 0.1), (0.3, 0.2), (0.4, 0.9), seconds=2.0)
    assert values(THREE, found, 3) == (0.3, 0.2, 6.0)
    assert values(THREE, found, 1) == (0.5, 0.1, 2.0)
    assert values(THREE, replace(found, observations=()), 3) is None


def test_the_pareto_set_is_that_of_all_pairs_compared_by_hand():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 12, (60, 2)) / 10.0
    trials = [trial(n, (float(a), float(b))) for n, (a, b) in enumerate(points)]
    better = [
        any((p[0] <= q[0] and p[1] >= q[1]) and tuple(p) != tuple(q) for p in points)
        for q in points
    ]
    found = pareto_set(TWO, trials)
    assert set(found) == {n for n, dominated in enumerate(better) if not dominated}
    assert [mae for mae, _ in found.values()] == sorted(mae for mae, _ in found.values())


def test_only_completed_trials_are_in_the_pareto_set():
    good = trial(1, (0.1, 0.9), (0.1, 0.9), state=Stopped(2))
    assert set(pareto_set(TWO, [trial(0, (0.2, 0.5)), good])) == {0}


def test_scores_are_augmented_chebyshev_of_ranks_by_hand():
    trials = [trial(0, (0.1, 0.2)), trial(1, (0.2, 0.9)), trial(2, (0.3, 0.5))]
    single, scored = as_single(TWO, trials, 5)
    assert single.others == ()
    assert single.objective.direction == "minimize"
    ranks = np.array([[1, 3], [2, 1], [3, 2]]) / 3
    expected = ranks * _weights(scored, ranks)
    wanted = expected.max(axis=1) + SUM * expected.sum(axis=1)
    assert [t.value for t in scored] == pytest.approx(wanted.tolist(), rel=1e-4)


def _weights(scored: list[Trial], ranks: np.ndarray) -> np.ndarray:
    """The weights that explain the scores, found by trying."""
    target = np.array([t.value for t in scored])
    grid = np.linspace(0, 1, 200_001)
    weights = np.stack([grid, 1 - grid], axis=1)
    terms = weights[:, None] * ranks
    errors = np.abs(terms.max(axis=2) + SUM * terms.sum(axis=2) - target).sum(axis=1)
    assert errors.min() < 1e-4
    return weights[errors.argmin()]


def test_every_trial_has_weights_of_its_own_and_they_do_not_change():
    trials = [trial(n, (0.1 * n, 0.05 * n**2)) for n in range(1, 9)]
    by_number = [tuple(t.value for t in as_single(TWO, trials, n)[1]) for n in range(20)]
    assert len(set(by_number)) > 10
    assert by_number == [tuple(t.value for t in as_single(TWO, trials, n)[1]) for n in range(20)]


def test_each_end_of_the_pareto_set_is_best_for_some_weights():
    trials = [
        trial(0, (0.1, 0.1)),
        trial(1, (0.2, 0.8)),
        trial(2, (0.3, 0.9)),
        trial(3, (0.4, 0.2)),
    ]
    best = {
        min(as_single(TWO, trials, number)[1], key=lambda t: t.value or 0.0).number
        for number in range(60)
    }
    assert best == {0, 1, 2}


def test_rungs_are_scored_among_those_that_reached_them_and_the_completed():
    full = [(0.5, 0.5)] * 9
    trials = [
        trial(0, *full),
        trial(1, *[(0.4, 0.1)] * 4, state=Running()),
        trial(2, *[(0.6, 0.9)] * 2, state=Stopped(2)),
        trial(3, *[(0.3, 0.3)] * 3),  # its own patience ended it
    ]
    _, scored = as_single(TWO, trials, 3)
    assert [sorted(t.rungs) for t in scored] == [[2, 4, 8], [2, 4], [2], [2, 4, 8]]
    assert [t.value is None for t in scored] == [False, True, True, False]


def test_one_objective_is_left_as_it_is():
    trials = [trial(0, (0.1, 0.1))]
    assert as_single(STUDY, trials, 0) == (STUDY, trials)
    assert list(pareto_set(STUDY, trials)) == [0]


WRONG = {
    "twice": ('{ "valid/mae" = "minimize" }', "others: valid/mae is the objective already"),
    "test": ('{ "test/mae" = "minimize" }', "others.test/mae: the test split is out of reach"),
    "direction": ('{ "valid/corr" = "up" }', "others.valid/corr: must be 'minimize' or 'maximize'"),
}


@pytest.mark.parametrize(("others", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_sought_besides_is_refused(others: str, said: str):
    with pytest.raises(StudyError, match="objective") as caught:
        loads(FILE.format(others), place="x.toml", schema_of=methods.schema_of)
    assert said in str(caught.value)


def test_a_study_says_what_it_seeks_besides():
    text = FILE.format('{ "valid/corr" = "maximize", "train/seconds" = "minimize" }')
    study = loads(text, place="x.toml", schema_of=methods.schema_of)
    assert [(one.metric, one.direction) for one in study.others] == [
        ("valid/corr", "maximize"),
        ("train/seconds", "minimize"),
    ]
    again = loads(study.text, place="x.toml", schema_of=methods.schema_of)
    assert again.others == study.others
