"""Reads a table of trainings: curves of metrics by dataset, method, configuration and seed."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).parent


def curves(dataset: str, method: str, metric: str) -> list[tuple[dict[str, Any], int, list[float]]]:
    """Of each training its configuration, its replicate and the metric after every epoch."""
    wanted = [("dataset", "=", dataset), ("method", "=", method)]
    found: dict[tuple[str, int], list[float]] = {}
    for row in pq.read_table(HERE / "searched.parquet", filters=wanted).to_pylist():
        found.setdefault((row["config"], row["replicate"]), []).append(row[metric])
    return [(json.loads(config), seed, values) for (config, seed), values in found.items()]
