"""Opens the test split, once for a frozen choice: the only module that imports `held_out`.

The chosen configuration and the published one are evaluated by the weights that their replicates
had at the epoch that valid chose, all metrics by the same weights. Nothing is trained.

Unusual: the same weights are evaluated on valid first, and must give what the record says; and test
must not lie in train or valid, whatever the files are called.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from math import isclose
from pathlib import Path
from typing import Any

import torch

from mmsearch import backbones, datasets, methods, training
from mmsearch.batch import Batch
from mmsearch.cluster.checkpoints import Shelf
from mmsearch.datasets import SearchData, held_out
from mmsearch.errors import Problem, SelectionError
from mmsearch.selection.choice import Choice
from mmsearch.selection.contest import Candidate
from mmsearch.selection.receipts import Chosen, Receipts
from mmsearch.study import Study
from mmsearch.trial import Completed, Trial

AGREE = 1e-3
"""Relative: how near what valid gives again must come to the record; other machines round."""
REPEATED = 0.5
"""Share of test's rows that may be in train or valid: short texts and digits repeat."""


def open_test(choice: Choice, study: Study, receipts: Receipts, *, place: Path) -> None:
    """Evaluates a choice on test and leaves a receipt; what was opened before is not read again.

    Args:
        choice: of a race that is over.
        study: the race's.
        receipts: of the searched study.
        place: folder of the race.

    Raises:
        SelectionError: the race is not over, checkpoints are missing or give other values than the
            record, or test is a part of train and valid.
    """
    both = _both(choice)
    data = datasets.load(study.dataset, folder=study.data)
    chosen = _chosen(choice, data)
    found = receipts.find(chosen)
    if found and "figures" in found:
        return
    with tempfile.TemporaryDirectory(prefix="mmsearch-test-") as scratch:
        schema = methods.schema_of(study.method)
        known = _computed(data, study, schema, Path(scratch) / "known")
        for one in both.values():
            _require_weights(one, study, known, place)
        if not found:
            receipts.begin(chosen)
        test = _opened(study, data)
        views = _computed(test, study, schema, Path(scratch) / "opened")
        figures = {name: _figures(one, study, views, place) for name, one in both.items()}
    receipts.complete(chosen, figures)


def _both(choice: Choice) -> dict[str, Candidate]:
    if choice.contest.is_open:
        rule = "the race is not over, so the choice is not frozen"
        raise SelectionError(Problem("--open-test", rule, "Go on with the same command."))
    return {
        "chosen": choice.chosen.candidate,
        "published": choice.contest.published,
    }


def _chosen(choice: Choice, data: SearchData) -> Chosen:
    contest = choice.contest
    return Chosen(
        trial=choice.chosen.number,
        config=choice.chosen.candidate.trial.config,
        rule=choice.rule,
        why=choice.why,
        seeds=sorted(choice.chosen.candidate.values),
        fingerprints={
            "record": _fingerprint(contest.replicates),
            "search": _fingerprint(contest.search.trials),
            "data": data.fingerprint,
        },
    )


def _fingerprint(trials: Sequence[Trial]) -> str:
    told = [(t.number, dict(t.config), asdict(t.seed), t.value, t.value_epoch) for t in trials]
    return sha256(repr(told).encode()).hexdigest()


def _completed(one: Candidate) -> list[Trial]:
    return [trial for trial in one.replicates if isinstance(trial.state, Completed)]


def _require_weights(one: Candidate, study: Study, data: SearchData, place: Path) -> None:
    """Whether each replicate's weights are there and are those that the record tells of."""
    metric = study.objective.metric.removeprefix("valid/")
    for trial in _completed(one):
        folder = _folder(trial, place)
        again = training.judge(study, trial.config, seed=trial.seed, data=data, folder=folder)
        value = again[metric]
        if trial.value is None or not isclose(value, trial.value, rel_tol=AGREE, abs_tol=1e-6):
            rule = f"its weights give {metric} {value:.6g} on valid, and {trial.value} is on record"
            way_out = "Bring back checkpoints, data and versions as they were when it was trained."
            raise SelectionError(Problem(str(folder), rule, way_out))


def _folder(trial: Trial, place: Path) -> Path:
    saved = trial.checkpoint
    found = Shelf(place / "checkpoints").find(saved) if saved else None
    if saved is None or found is None or saved.epoch < (trial.value_epoch or 0):
        rule = f"replicate {trial.number} has no checkpoint of epoch {trial.value_epoch} any more"
        way_out = "Bring back checkpoints/ of the race, or move its folder away and race anew."
        raise SelectionError(Problem(str(place), rule, way_out))
    return Path(found.uri)


def _opened(study: Study, data: SearchData) -> SearchData:
    """Test in the place of valid, with a little of train in its own."""
    opened = held_out.load(study.dataset, folder=study.data)
    _require_apart(opened.batch, data)
    few = torch.arange(min(2, len(data.train)))
    raw = {name: (pair[0].take(few), opened.raw[name]) for name, pair in data.raw.items()}
    return replace(data, train=data.train.take(few), valid=opened.batch, raw=raw)


def _require_apart(test: Batch, data: SearchData) -> None:
    """Whether test was kept from the search: a copy of it under another name was not."""
    if not test.inputs:
        return
    for name, split in (("train", data.train), ("valid", data.valid)):
        known = set(_rows(split))
        repeated = sum(row in known for row in _rows(test)) / len(test)
        if repeated > REPEATED:
            rule = f"{repeated:.0%} of the rows of test are in {name}, so the search has seen them"
            way_out = f"Give {name} examples of its own, and search again."
            raise SelectionError(Problem(f"dataset {data.task.dataset}", rule, way_out))


def _rows(batch: Batch) -> list[bytes]:
    """Each example's inputs, padding left out."""
    found: list[bytes] = []
    for row in range(len(batch)):
        digest = sha256()
        for name in sorted(batch.inputs):
            steps = int(batch.lengths[name][row])
            digest.update(batch.inputs[name][row, :steps].contiguous().numpy().tobytes())
        found.append(digest.digest())
    return found


def _computed(data: SearchData, study: Study, schema: Any, folder: Path) -> SearchData:
    """The data with what networks make of it, in files that go away again."""
    plan = backbones.planned(study, schema, data, folder=folder)
    for one in plan.missing():
        backbones.compute(one)
    return plan.data


def _figures(
    one: Candidate, study: Study, data: SearchData, place: Path
) -> Mapping[str, Mapping[str, float]]:
    """Every metric on test by replicate."""
    return {
        str(trial.seed.replicate): training.judge(
            study, trial.config, seed=trial.seed, data=data, folder=_folder(trial, place)
        )
        for trial in _completed(one)
    }
