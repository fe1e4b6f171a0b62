"""How good a configuration a search has found, against what it has spent: on a simulated clock.

    python benchmarks/search_quality.py run "mmsearch" "random" --data DATA/lcbench --seeds 3
    python benchmarks/search_quality.py table --picture benchmarks/search_quality.svg

Each run is kept in `benchmarks/results/`, so methods can be compared later without being run again.
Regret is that of the incumbent at full fidelity: 0 is the best known, 1 the median of random
configurations, read off after 5, 10, 20 and 50 full evaluations (all workers together).
"""

import argparse
import json
import time
from pathlib import Path

from quality import clock, figures, lcbench, picture
from quality.mine import Mmsearch
from quality.plain import PLAYERS

from mmsearch.study import Sampler, Scheduler

RESULTS = Path(__file__).parent / "results"
OURS = {
    "mmsearch": (Sampler(), Scheduler()),
    "mmsearch, ladder, no stopping": (Sampler(), Scheduler("none")),
    "mmsearch, ladder + halving": (Sampler(), Scheduler("halving")),
    "mmsearch, tpe + promotion": (Sampler("tpe"), Scheduler()),
    "mmsearch, random + promotion": (Sampler("random"), Scheduler()),
    "mmsearch, tpe + halving(5,3)": (Sampler("tpe"), Scheduler("halving", first_rung=5)),
    "mmsearch, random + halving(3,3)": (Sampler("random"), Scheduler("halving")),
}


def player(method: str, problem: clock.Problem, seed: int, setting: clock.Setting) -> clock.Player:
    if method in OURS:
        sampler, scheduler = OURS[method]
        return Mmsearch(
            problem, seed, workers=setting.workers, sampler=sampler, scheduler=scheduler
        )
    return PLAYERS[method](problem, seed)


def run(arguments: argparse.Namespace) -> None:
    setting = {"A": clock.A, "B": clock.B}[arguments.setting]
    results = figures.Results(RESULTS / arguments.setting)
    for task in arguments.tasks:
        surrogate = lcbench.Surrogate(arguments.data, task)
        full = lcbench.EPOCHS * 1.0 if not setting.timed else surrogate.average_seconds
        for seed in range(arguments.first_seed, arguments.seeds):
            for method in arguments.methods:
                if (task, seed) in results.read(method) and not arguments.again:
                    continue
                started = time.perf_counter()
                incumbents = clock.play(
                    player(method, surrogate, seed, setting), surrogate, setting, full=full
                )
                marks = figures.at_marks(incumbents)
                lcbench.found(task, marks[-1] or 0.0)
                results.add(method, (task, seed), marks)
                shown = " ".join("-" if v is None else f"{surrogate.regret(v):.3f}" for v in marks)
                seconds = time.perf_counter() - started
                print(f"{method:36} {task:>7} {seed}  {shown}  {seconds:.1f} s", flush=True)


def table(arguments: argparse.Namespace) -> None:
    results = figures.Results(RESULTS / arguments.setting)
    runs = {method: results.read(method) for method in arguments.methods or results.methods()}
    keys = sorted(set.intersection(*(set(found) for found in runs.values())))
    keys = [key for key in keys if arguments.first_seed <= key[1] < arguments.seeds]
    scales = json.loads(lcbench.BEST.read_text())
    regret = {method: figures.regrets(found, scales, keys) for method, found in runs.items()}
    print(f"setting {arguments.setting}, {len(keys)} runs of each method\n")
    print(figures.table(regret))
    if arguments.picture:
        picture.draw({m: figures.known(v) for m, v in regret.items()}, arguments.picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("methods", nargs="+", choices=[*OURS, *PLAYERS])
    runs.add_argument("--data", type=Path, required=True)
    runs.add_argument("--seeds", type=int, default=3)
    runs.add_argument("--tasks", nargs="+", choices=lcbench.TASKS, default=lcbench.TASKS)
    runs.add_argument("--again", action="store_true", help="run what is on file anew")
    runs.set_defaults(action=run)
    tables = commands.add_parser("table")
    tables.add_argument("methods", nargs="*")
    tables.add_argument("--seeds", type=int, default=99)
    tables.add_argument("--picture", type=Path, help="an SVG file to draw as well")
    tables.set_defaults(action=table)
    for command in (runs, tables):
        command.add_argument("--first-seed", type=int, default=0)
        command.add_argument("--setting", choices=["A", "B"], default="A")
    arguments = parser.parse_args()
    arguments.action(arguments)


if __name__ == "__main__":
    main()
