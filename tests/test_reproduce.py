"""The benchmark of published configurations: it goes on after a kill, and its figures are right."""

import json
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from mmsearch.datasets import held_out
from mmsearch.seeds import Seed
from mmsearch.selection.receipts import Receipts
from mmsearch.training import Trainer, Worker

SCRIPTS = Path(__file__).parent.parent / "benchmarks"
SHORT = {"budget.max_epochs": 3, "scheduler.first_rung": 1, "scheduler.reduction": 3}


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """`reproduce.py`, whose folder is not a package."""
    if not SCRIPTS.exists():
        pytest.skip("no benchmarks folder: this is not a checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        import reproduce

        yield reproduce


@pytest.fixture
def part(scripts: Any) -> Any:
    return scripts.Part("tmc", overrides=SHORT, seeds=1)


def test_a_run_in_pieces_is_the_run_in_one(
    scripts: Any, part: Any, worker: Worker, tmp_path: Path
) -> None:
    study, data = scripts.prepared("mfeat_tmc", part, tmp_path, tmp_path)
    found = []
    for name, deadline in (("whole", time.monotonic() + 600), ("pieces", 0.0)):
        place = tmp_path / name
        place.mkdir()
        for _ in range(3 if deadline == 0 else 1):
            root = Seed(study=0, trial=0)
            with closing(
                Trainer(study, data, study.published, seed=root, worker=worker)
            ) as trainer:
                standing = scripts.trained(trainer, study, data.valid, place, deadline)
        found.append({**asdict(standing), "seconds": 0.0})
    assert found[0] == found[1]
    assert len(found[0]["test"]["accuracy"]) == 3
    assert found[0]["test"] == found[0]["valid"], "this test gave valid for both"


def test_it_leaves_a_receipt_and_measures_test_after_each_epoch(
    scripts: Any, part: Any, worker: Worker, tmp_path: Path
) -> None:
    arguments = Namespace(out=tmp_path, data=tmp_path)
    family = scripts.reproduce("mfeat_tmc", part, arguments, time.monotonic() + 600)
    (run,) = [json.loads(path.read_text()) for path in (tmp_path / "mfeat_tmc").glob("*.json")]
    (receipt,) = Receipts(tmp_path / "mfeat_tmc").openings
    assert receipt["figures"]["published"]["0"]["accuracy"] == run["test"]["accuracy"][-1]
    assert [len(run[split]["accuracy"]) for split in ("valid", "test")] == [3, 3]
    rows = len(held_out.load("mfeat").batch)
    assert (rows * torch.tensor(run["test"]["accuracy"]) % 1).abs().max() < 1e-3
    assert "| published | 1 | last |" in scripts.table("mfeat_tmc", family, tmp_path / "mfeat_tmc")


def test_last_chosen_and_oracle_are_told_apart(scripts: Any, tmp_path: Path) -> None:
    for seed, first in enumerate((0.8, 0.6)):
        values = {"accuracy": [first, 0.9, 0.7], "f1_weighted": [0.1, 0.2, 0.3]}
        test = {**values, "f1_macro": [0.5, 0.5, 0.5]}
        run = {"variant": "a", "seed": seed, "test": test, "selected": 1, "seconds": 2.0}
        (tmp_path / f"{seed}.json").write_text(json.dumps(run))
    lines = scripts.table("part", "multiclass", tmp_path).splitlines()[2:]
    assert lines == [
        "| a | 2 | last | 70.0 ± 0.0 | 30.0 ± 0.0 | 50.0 ± 0.0 | 2 |",
        "| a | 2 | chosen by valid | 70.0 ± 10.0 | 10.0 ± 0.0 | 50.0 ± 0.0 | 2 |",
        "| a | 2 | *best of test (oracle)* | 90.0 ± 0.0 | 30.0 ± 0.0 | 50.0 ± 0.0 | 2 |",
    ]


def test_parts_are_asked_for_by_name_or_by_how_names_begin(scripts: Any) -> None:
    known = ["rosmap_tmc", "rosmap_m3col", "rosmap_m3col_all_rows", "mfeat_tmc"]
    assert scripts.wanted(known, []) == known
    assert scripts.wanted(known, ["rosmap_m3col"]) == ["rosmap_m3col"]
    assert scripts.wanted(known, ["rosmap"]) == known[:3]
    with pytest.raises(SystemExit, match="no part is called brca; known: rosmap_tmc"):
        scripts.wanted(known, ["brca"])
