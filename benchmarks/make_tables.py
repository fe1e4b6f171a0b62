"""Trains random configurations of a study in full, under several seeds, and keeps every curve.

    python benchmarks/make_tables.py selfmi --configurations 200 --seeds 3

The table, `benchmarks/tables/<study>.parquet`, has a row for each configuration, seed and epoch.
Configuration 0 is the published one; the others are what the study's random sampler proposes.
Unusual: it is written every ten configurations, and what it holds is not trained again: it can be
stopped, resumed and enlarged. One process on one thread trains one configuration after another.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from mmsearch import datasets, methods, provenance
from mmsearch import study as studies
from mmsearch.datasets import SearchData
from mmsearch.sampling.proposals import propose
from mmsearch.seeds import Seed
from mmsearch.study import Sampler, Study
from mmsearch.training import train
from mmsearch.trial import Completed, Observation, Trial, Verdict

TABLES = Path(__file__).parent / "tables"
Row = dict[str, Any]


def proposals(study: Study, number: int) -> list[Trial]:
    """The published configuration and random ones, as trials of the study."""
    study = replace(study, sampler=Sampler("random"))
    trials: list[Trial] = []
    while len(trials) < number:
        config = propose(study, trials)
        seed = Seed(study.seed, len(trials))
        trials.append(Trial(len(trials), config, study.coordinates(config), seed))
    return trials


def trained(study: Study, trial: Trial, replicate: int, data: SearchData) -> list[Row]:
    """A row an epoch; `failed` is the reason where a trial failed after it."""
    seen: list[Observation] = []

    def report(observation: Observation) -> Verdict:
        seen.append(observation)
        return Verdict.CONTINUE

    seed = replace(trial.seed, replicate=replicate)
    ending = train(study, trial.config, seed=seed, data=data, report=report)
    failed = None if isinstance(ending, Completed) else str(ending)
    config = json.dumps(trial.coordinates)
    head = {"configuration": trial.number, "replicate": replicate, "config": config}
    rows = [
        {
            **head,
            "epoch": one.epoch,
            "seconds": round(one.train_seconds, 4),
            **{k: float(v) for k, v in one.metrics.items() if k.startswith("valid/")},
            "failed": failed if one is seen[-1] else None,
        }
        for one in seen
    ]
    return rows or [{**head, "epoch": 0, "failed": failed}]


def read(path: Path) -> list[Row]:
    """All rows of a table."""
    return cast("Any", pq).read_table(path).to_pylist()


def write(path: Path, rows: list[Row], facts: Mapping[str, Any]) -> None:
    """Writes a table, with what it was made of in its metadata."""
    arrow, parquet = cast("Any", pa), cast("Any", pq)
    table = arrow.Table.from_pylist(rows).replace_schema_metadata({"mmsearch": json.dumps(facts)})
    parquet.write_table(table, path, compression="zstd")


def main() -> None:
    """Trains what the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="where the study's dataset lies")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    overrides = {"data": str(asked.data.resolve())} if asked.data else {}
    study = studies.load(
        studies.find(asked.study), schema_of=methods.schema_of, overrides=overrides
    )
    data = datasets.load(study.dataset, folder=study.data)
    path = TABLES / f"{study.name}.parquet"
    rows = read(path) if path.exists() else []
    done = {(row["configuration"], row["replicate"]) for row in rows}
    facts = provenance.collect(data.fingerprint) | {"study": study.text}
    for trial in proposals(study, asked.configurations):
        for replicate in range(asked.seeds):
            if (trial.number, replicate) not in done:
                rows += trained(study, trial, replicate, data)
        if trial.number % 10 == 9 or trial.number == asked.configurations - 1:
            write(path, rows, facts)
            print(f"{trial.number + 1} configurations, {len(rows)} rows", flush=True)


if __name__ == "__main__":
    main()
