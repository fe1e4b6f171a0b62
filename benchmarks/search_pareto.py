"""Two objectives, accuracy and seconds of training: how much of the plane a Pareto set covers.

    pip install onnxruntime
    python benchmarks/search_pareto.py --data DATA/lcbench --seeds 2

The surrogate, the clock and the four workers are those of `search_quality.py`. Hypervolume is that
of all configurations trained in full, in the plane of accuracy (0 the median of random
configurations, 1 the best known) and logarithm of seconds (0 the median, 1 the first thousandth of
5,000 random configurations), as a share of that of 5,000 random configurations trained in full.
"""

import argparse
import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from quality import clock, lcbench
from quality.clock import Problem
from quality.drawing import draw
from quality.figures import MARKS
from quality.mine import Mmsearch
from quality.plain import PLAYERS, Halving

from mmsearch.sampling.proposals import _asker as asker
from mmsearch.study import COST, Objective, Sampler, Scheduler

RESULTS = Path(__file__).parent / "results" / "pareto.json"
Points = np.ndarray
DRAWN = 5000


class Plane:
    """Where configurations of a task lie: [n, 2], higher is better, and what is worth nothing is 0.

    Args:
        surrogate: the task.
    """

    def __init__(self, surrogate: lcbench.Surrogate) -> None:
        self._surrogate = surrogate
        rng = np.random.default_rng(0)
        drawn = [draw(lcbench.SPACE, rng) for _ in range(DRAWN)]
        parts = np.array_split(np.array([list(c.values()) for c in drawn], float), DRAWN // 500)
        ends = np.concatenate([surrogate.curves(part)[:, -1] for part in parts])
        seconds = np.log(np.maximum(ends[:, 0], 1e-6))
        self._median, self._least = np.median(seconds), np.quantile(seconds, 0.001)
        self._whole = hypervolume(self._placed(seconds, ends[:, 1]))

    def share(self, configs: list[Mapping[str, Any]]) -> float:
        """Hypervolume of these, as a share of that of many random ones."""
        if not configs:
            return 0.0
        ends = np.array([self._surrogate.curve(config)[-1] for config in configs])
        seconds = np.log(np.maximum(ends[:, 0], 1e-6))
        return hypervolume(self._placed(seconds, ends[:, 1])) / self._whole

    def _placed(self, seconds: np.ndarray, accuracy: np.ndarray) -> Points:
        best, median = self._surrogate.scale
        # Beyond the least of many the surrogate invents seconds, down to none.
        quick = (self._median - np.maximum(seconds, self._least)) / (self._median - self._least)
        return np.column_stack([(accuracy - median) / (best - median), quick])


def hypervolume(points: Points) -> float:
    """Area between the origin and what some point reaches in both coordinates."""
    area, height = 0.0, 0.0
    for x, y in sorted(points.tolist(), reverse=True):
        if x > 0 and y > height:
            area += x * (y - height)
            height = y
    return area


def of_optuna(sampler: Any) -> Any:
    """A sampler of Optuna's for two objectives; it knows no stopping there."""

    def start(problem: Problem, seed: int) -> Halving:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler(seed=seed))

        def propose() -> Any:
            trial = study.ask()
            config = problem.space.assign(asker(trial))

            def tell(values: list[float], *, completed: bool) -> None:
                assert completed
                study.tell(trial, (values[-1], float(problem.curve(config, 0)[-1, 0])))

            return config, tell

        return Halving(problem, propose)

    return start


def mine(scheduler: Scheduler) -> Any:
    """mmsearch, which is told accuracy and seconds."""
    return lambda problem, seed: Mmsearch(
        problem,
        seed,
        workers=clock.A.workers,
        sampler=Sampler(),
        scheduler=scheduler,
        epoch_s=None,
        others=(Objective(COST, "minimize"),),
    )


METHODS: dict[str, Any] = {
    "mmsearch": mine(Scheduler()),
    "mmsearch, no stopping": mine(Scheduler("none")),
    "Optuna TPE": of_optuna(optuna.samplers.TPESampler),
    "Optuna NSGA-II": of_optuna(optuna.samplers.NSGAIISampler),
    "random + ASHA(5,3) on accuracy": PLAYERS["random + ASHA(5,3)"],
    "random": PLAYERS["random"],
}


def played(player: Any, surrogate: lcbench.Surrogate, plane: Plane) -> list[float]:
    """Share of the hypervolume at each mark."""
    done = list(clock.completions(player, surrogate, clock.A, full=float(lcbench.EPOCHS)))
    return [plane.share([c.config for c in done if c.when <= mark]) for mark in MARKS]


def main() -> None:
    """Runs what is not on file, and prints the table."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=lcbench.TASKS, default=lcbench.TASKS)
    asked = parser.parse_args()
    found: dict[str, list[float]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for task in asked.tasks:
        surrogate = lcbench.Surrogate(asked.data, task)
        plane: Plane | None = None
        for seed in range(asked.seeds):
            for method, make in METHODS.items():
                key = f"{method} / {task} / {seed}"
                if key in found:
                    continue
                plane = plane or Plane(surrogate)
                started = time.perf_counter()
                found[key] = played(make(surrogate, seed), surrogate, plane)
                shown = " ".join(f"{share:.3f}" for share in found[key])
                print(f"{key:48} {shown}  {time.perf_counter() - started:.1f} s", flush=True)
                lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items())]
                RESULTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print("\n| method | " + " | ".join(f"@{mark}" for mark in MARKS) + " |")
    print("|---|" + "---|" * len(MARKS))
    for method in METHODS:
        runs = np.array([v for k, v in found.items() if k.startswith(f"{method} / ")])
        mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        cells = [f"{m:.3f} (s.e. {e:.3f})" for m, e in zip(mean, error, strict=True)]
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
