"""The public table of trainings: its reader, and what it says of itself."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "tables" / "searched.parquet"
FACTS: dict[str, Any] = json.loads(pq.read_schema(TABLE).metadata[b"mmsearch"])


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("benchmarks", "benchmarks/tables"):
        monkeypatch.syspath_prepend(str(ROOT / folder))


@pytest.mark.parametrize("name", FACTS)
def test_every_training_has_a_whole_curve_and_a_configuration_of_its_space(name):
    from reader import curves

    from mmsearch import methods
    from mmsearch import study as studies

    dataset, method = name.split()
    study = studies.loads(FACTS[name]["study"], place=name, schema_of=methods.schema_of)
    assert (study.dataset, study.method) == (dataset, method)
    assert (study.sampler.kind, study.scheduler.kind) == ("random", "none")
    found = curves(dataset, method, study.objective.metric)
    searched = [config for config, replicate, _ in found if replicate == 0]
    assert len(searched) == study.budget.trials
    names = {row.name for row in study.space.describe()}
    for config, _, values in found:
        assert set(config) <= names
        assert 1 <= len(values) <= study.budget.max_epochs
        assert np.isfinite(values[:-1]).all()


def test_of_most_methods_the_best_have_replicates():
    from reader import curves

    seeds = [
        max(replicate for _, replicate, _ in curves(*name.split(), "valid/mae")) for name in FACTS
    ]
    assert sorted(seeds)[len(seeds) // 2] >= 5


def test_a_part_of_it_can_be_searched():
    from quality.noisy import PROBLEMS

    name = next(name for name in PROBLEMS if name.startswith("searched "))
    problem = PROBLEMS[name]()
    config = {one.name: one for one in problem.space.describe()}
    assert config
    sys.modules.pop("quality.noisy")
