"""Several objectives as one: a trial's own view of how much each of them matters.

Paper: Knowles, "ParEGO: a hybrid algorithm with on-line landscape approximation for expensive
multiobjective optimization problems", 2006.
Unusual: every trial has weights of its own, drawn from its number, by which it is proposed and by
which it is compared at rungs; so each part of the Pareto set has trials that are let through.
Objectives are compared by their ranks at a fidelity, so their units and outliers do not matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from mmsearch.seeds import derive
from mmsearch.study import Objective, Study
from mmsearch.study.several import losses, values
from mmsearch.trial import Completed, Trial

SUM = 0.05
"""Share of the weighted sum beside the weighted maximum: of two equal maxima the lower sum wins."""


def as_single(study: Study, trials: Sequence[Trial], number: int) -> tuple[Study, list[Trial]]:
    """The study and its trials as if they had one objective, as this trial sees it.

    Values at rungs and of completed trials become scores between 0 and a little above 1, to be
    minimised. A study with one objective is as it is.
    """
    if not study.others:
        return study, list(trials)
    weights = _weights(study, number)
    scores = {
        rung: _scores(_at(study, trials, rung), weights)
        for rung in study.scheduler.rungs(study.budget.max_epochs)
    }
    at_end = _scores(_at(study, trials, None), weights)
    single = replace(study, objective=Objective("score", "minimize"), others=())
    return single, [
        replace(
            trial,
            rungs={
                rung: known[trial.number] for rung, known in scores.items() if trial.number in known
            },
            value=at_end.get(trial.number),
        )
        for trial in trials
    ]


def _at(study: Study, trials: Sequence[Trial], rung: int | None) -> dict[int, tuple[float, ...]]:
    """Losses by number: of those that have reached the rung, and of the completed ones."""
    found: dict[int, tuple[float, ...]] = {}
    for trial in trials:
        completed = isinstance(trial.state, Completed)
        if completed or rung in trial.rungs:
            # What its patience ended below the rung counts with its end.
            worth = values(study, trial, trial.epoch if rung is None else rung)
            assert worth, "a trial without a value has reached nothing"
            found[trial.number] = losses(study, worth)
    return found


def _scores(found: Mapping[int, tuple[float, ...]], weights: np.ndarray) -> dict[int, float]:
    """Augmented Chebyshev scores of ranks, by number."""
    if not found:
        return {}
    points = np.array(list(found.values()))
    ranks = rankdata(points, axis=0) / len(points) * weights
    scores = ranks.max(axis=1) + SUM * ranks.sum(axis=1)
    return dict(zip(found, scores.tolist(), strict=True))


def _weights(study: Study, number: int) -> np.ndarray:
    """Uniform over all that are positive and sum up to 1."""
    rng = np.random.default_rng(derive(study.seed, number, 0, "objectives"))
    return rng.dirichlet(np.ones(1 + len(study.others)))
