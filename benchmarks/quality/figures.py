"""Results in files, and the table of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

MARKS = (5, 10, 20, 50)
"""Full evaluations after which regret is read off."""
Key = tuple[str, int]


def at_marks(incumbents: list[tuple[float, float]]) -> list[float | None]:
    """True quality of the incumbent at each mark; None where there is none yet."""
    found = [[quality for when, quality in incumbents if when <= mark] for mark in MARKS]
    return [known[-1] if known else None for known in found]


class Results:
    """Accuracies of the incumbents by method, task and seed, in one file a method."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, method: str) -> dict[Key, list[float | None]]:
        path = self._path(method)
        if not path.exists():
            return {}
        rows = json.loads(path.read_text())["runs"]
        return {(task, seed): values for task, seed, values in rows}

    def add(self, method: str, key: Key, values: list[float | None]) -> None:
        runs = {**self.read(method), key: values}
        rows = [json.dumps([task, seed, v]) for (task, seed), v in sorted(runs.items())]
        text = ",\n  ".join(rows)
        name = json.dumps(method)
        self._path(method).write_text(f'{{"method": {name}, "runs": [\n  {text}\n]}}\n')

    def methods(self) -> list[str]:
        return [json.loads(p.read_text())["method"] for p in sorted(self._folder.glob("*.json"))]

    def _path(self, method: str) -> Path:
        plain = "".join(c if c.isalnum() else "-" for c in method).strip("-").lower()
        return self._folder / f"{plain}.json"


def regrets(
    runs: dict[Key, list[float | None]], scales: dict[str, Any], keys: list[Key]
) -> np.ndarray:
    """Regret at each mark: [runs, marks]; NaN where nothing has been trained in full."""
    rows = []
    for task, seed in keys:
        best, median = scales[task]["best"], scales[task]["median"]
        rows.append(
            [np.nan if v is None else (best - v) / (best - median) for v in runs[task, seed]]
        )
    return np.array(rows)


def table(regret: dict[str, np.ndarray]) -> str:
    """Means with 95 % bootstrap intervals over runs, and average ranks, per mark.

    Where nothing is known, regret counts as 1, a median random configuration, and ranks last.
    """
    rng = np.random.default_rng(0)
    stacked = np.nan_to_num(np.stack(list(regret.values())), nan=np.inf)
    ranks = _ranks(stacked).mean(axis=1)
    lines = [
        "| method | " + " | ".join(f"@{mark}" for mark in MARKS) + " | ranks |",
        "|---|" + "---|" * (len(MARKS) + 1),
    ]
    for method, rank in zip(regret, ranks, strict=True):
        values = known(regret[method])
        drawn = rng.integers(0, len(values), (2000, len(values)))
        low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975], axis=0)
        cells = [
            f"{mean:.3f} ({lo:.3f} to {hi:.3f})"
            for mean, lo, hi in zip(values.mean(axis=0), low, high, strict=True)
        ]
        shown = " / ".join(f"{r:.1f}" for r in rank)
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {shown} |")
    return "\n".join(lines)


def known(regret: np.ndarray) -> np.ndarray:
    """Regret where nothing is known counts as 1."""
    return np.nan_to_num(regret, nan=1.0)


def _ranks(stacked: np.ndarray) -> np.ndarray:
    """Rank of each method in each run, 1 the best; ties share: [methods, runs, marks]."""
    below = (stacked[None] < stacked[:, None]).sum(axis=1)
    equal = (stacked[None] == stacked[:, None]).sum(axis=1)
    return below + (equal + 1) / 2
