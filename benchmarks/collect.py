"""Gathers what searches and races computed into one table: see `tables/README.md`.

    python benchmarks/collect.py STUDIES... --to benchmarks/tables/searched.parquet

STUDIES are folders that hold studies, such as the one of a comparison. A row is an epoch of a
configuration under one seed. Only studies whose trials were drawn at random and trained in full are
taken: in a table of what a search liked, a search would look good.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from make_tables import Row, write

from mmsearch import methods, sampling
from mmsearch.errors import reason_of
from mmsearch.study import Study
from mmsearch.study.files import JOURNAL, journal_of
from mmsearch.trial import Failed, Record, Trial

KEPT = ("versions", "hardware", "threads", "commit", "fingerprints")
"""Of a record's provenance."""


def rows_of(study: Study, trial: Trial, configuration: int) -> Iterator[Row]:
    """A row an epoch; `failed` is the reason where the trial failed after it."""
    failed = trial.state.reason if isinstance(trial.state, Failed) else None
    head = {
        "dataset": study.dataset,
        "method": study.method,
        "configuration": configuration,
        "replicate": trial.seed.replicate,
        "config": json.dumps(trial.coordinates),
    }
    for one in trial.observations:
        last = one.epoch == trial.epoch
        yield {
            **head,
            "epoch": one.epoch,
            "seconds": round(one.train_seconds, 4),
            **{name: float(value) for name, value in one.metrics.items()},
            "failed": failed if last else None,
        }


def collected(folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Rows of a search and of the race over its best, and what they were made with."""
    record = sampling.read(journal_of(folder))
    study = methods.study_of(record)
    race = sampling.find(journal_of(folder / "best"))
    rows = [row for trial in record.trials for row in rows_of(study, trial, trial.number)]
    for trial in race.trials if race else ():
        rows += rows_of(study, trial, _searched_as(record, trial))
    told = {key: record.provenance[key] for key in KEPT if key in record.provenance}
    return rows, {"study": study.text, **told}


def _searched_as(record: Record, replicate: Trial) -> int:
    """Number of the search's trial of the same configuration."""
    return next(one.number for one in record.trials if one.config == replicate.config)


def is_plain(folder: Path) -> bool:
    """Whether its trials are a random sample, trained in full, and all of them are there."""
    record = sampling.read(journal_of(folder))
    study = methods.study_of(record)
    over = sum(trial.ended for trial in record.trials) >= study.budget.trials
    return over and (study.sampler.kind, study.scheduler.kind) == ("random", "none")


def main() -> None:
    """Writes the table, and says what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    asked = parser.parse_args()
    rows: list[Row] = []
    facts: dict[str, Any] = {}
    for folder in sorted(path.parent for one in asked.studies for path in one.glob(f"*/{JOURNAL}")):
        try:
            plain = is_plain(folder.resolve())
        except Exception as error:  # noqa: BLE001  one that cannot be read is left out, and told
            print(f"{folder}: left out ({reason_of(error)})")
            continue
        if not plain:
            print(f"{folder}: left out, it is no whole random sample trained in full")
            continue
        own, told = collected(folder.resolve())
        rows += own
        facts[f"{own[0]['dataset']} {own[0]['method']}"] = told
        runs = {(row["configuration"], row["replicate"]) for row in own}
        print(f"{folder}: {len(runs)} trainings, {len(own)} epochs")
    # Every column is to be there, whichever row comes first.
    names = dict.fromkeys(name for row in rows for name in row)
    write(asked.to, [{name: row.get(name) for name in names} for row in rows], facts)
    print(f"{asked.to}: {len(rows)} rows, {asked.to.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
