"""Tables of `reproduce.py`: what its runs gave, beside what others printed. Reads no dataset."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from mmsearch import metrics

Run = Mapping[str, Any]
"""One training: `valid` and `test`, each a value an epoch by metric, and `selected`, an epoch."""
LOWER = frozenset({"mae", "rmse"})
"""Metrics of which less is better; the others are shares or correlations."""
SHOWN = {
    "binary": ("accuracy", "f1", "auc"),
    "multiclass": ("accuracy", "f1_weighted", "f1_macro"),
    "mosi": ("mae", "corr", "acc_2_non0", "f1_non0", "acc_7"),
}
"""By family of metrics."""
M3COL_ROSMAP = "M3CoL, published (protocol unknown)"
PRINTED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "rosmap_m3col_all_rows": {
        "earlier check, no contrast, last": ("82.6 ± 2.1", "82.5 ± 2.3", "89.9 ± 0.5"),
        "earlier check, no contrast, oracle": ("85.9 ± 1.5", "86.1 ± 1.6", "91.7 ± 0.8"),
        "earlier check, as released, last": ("79.3 ± 2.8", "79.1 ± 3.4", "87.9 ± 1.4"),
        "earlier check, as released, oracle": ("85.1 ± 1.2", "85.9 ± 0.9", "91.1 ± 1.0"),
        "earlier check, paper's intent, last": ("79.0 ± 4.1", "78.4 ± 6.6", "88.0 ± 1.2"),
        "earlier check, paper's intent, oracle": ("86.1 ± 0.4", "86.4 ± 0.4", "92.5 ± 1.0"),
        M3COL_ROSMAP: ("88.7", "88.5", "92.6"),
    },
    "rosmap_m3col": {M3COL_ROSMAP: ("88.7", "88.5", "92.6")},
    "rosmap_mmdynamics": {"MMDynamics, published": ("85.7", "86.3", "91.1")},
    "rosmap_tmc": {"TMC, as MMDynamics and M3CoL print it": ("82.5", "82.3", "88.5")},
}
"""By part: rows of other people's figures. The earlier check is a second implementation, four
seeds; data that are not the published ones have no rows."""


def runs_of(folder: Path) -> dict[str, list[Run]]:
    """All runs of a part that are there, by variant."""
    found: dict[str, list[Run]] = {}
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        found.setdefault(run["variant"], []).append(run)
    return found


def table(part: str, family: str, folder: Path) -> str:
    """The Markdown table of one part; empty before its first run."""
    shown = SHOWN[family]
    assert set(shown) <= set(metrics.names(family))
    found = runs_of(folder)
    if not found:
        return ""
    lines = [
        f"| {part} | seeds | epoch | {' | '.join(shown)} | s a run |",
        "|---|---|---|" + "---|" * (len(shown) + 1),
    ]
    for variant, runs in found.items():
        seconds = f"{fmean(run['seconds'] for run in runs):.0f}"
        for epoch in _protocols(runs):
            cells = [
                _cell([_figure(run, metric, epoch) for run in runs], metric) for metric in shown
            ]
            told = "*best of test (oracle)*" if epoch == "oracle" else epoch
            lines.append(f"| {variant} | {len(runs)} | {told} | {' | '.join(cells)} | {seconds} |")
    for name, cells in PRINTED.get(part, {}).items():
        lines.append(f"| {name} | | | {' | '.join(cells)} | |")
    return "\n".join(lines)


def _protocols(runs: Sequence[Run]) -> list[str]:
    chosen = ["chosen by valid"] if runs[0]["selected"] is not None else []
    return ["last", *chosen, "oracle"]


def _figure(run: Run, metric: str, epoch: str) -> float:
    """Of test: after the last epoch, at the epoch that valid chose, or the best of all epochs."""
    values: list[float] = run["test"][metric]
    if epoch == "last":
        return values[-1]
    if epoch == "oracle":
        return min(values) if metric in LOWER else max(values)
    return values[run["selected"] - 1]


def _cell(values: Sequence[float], metric: str) -> str:
    """Mean and population deviation of several; in percent, but for errors and correlations."""
    scale, digits = (1, 3) if metric in LOWER | {"corr"} else (100, 1)
    mean = f"{scale * fmean(values):.{digits}f}"
    return f"{mean} ± {scale * pstdev(values):.{digits}f}" if len(values) > 1 else mean
