"""What a decision costs: proposing and judging, with so many trials on record.

    python benchmarks/suggest_latency.py

The values are made up, one trial in three comes to each next rung; one thread. Repeats differ in
their record, so nothing is remembered from one to the next.
"""

import time
from dataclasses import replace

import numpy as np

from mmsearch.sampling.promotion import Standings
from mmsearch.sampling.proposals import propose
from mmsearch.seeds import Seed
from mmsearch.space import Choice, IntUniform, LogUniform, Space, Uniform
from mmsearch.study import Budget, Objective, Sampler, Study
from mmsearch.trial import Completed, Running, Stopped, Trial

REPEATS = 30
GANGS = 4
STUDY = Study(
    name="latency",
    method="latency",
    dataset="latency",
    seed=0,
    objective=Objective("valid/mae", "minimize"),
    budget=Budget(trials=100_000, max_epochs=52),
    space=Space(
        {
            "rate": LogUniform(1e-5, 1e-1),
            "decay": LogUniform(1e-6, 1e-1),
            "dropout": Uniform(0.0, 0.8),
            "momentum": Uniform(0.1, 0.99),
            "layers": IntUniform(1, 5),
            "batch_size": Choice((16, 32, 64, 128)),
            "fusion": Choice(("concat", "sum", "gated", "tensor")),
            "rank": IntUniform(2, 64),
        }
    ),
    published={},
    text="name = 'latency'\n",
)


def drawn(space: Space, rng: np.random.Generator) -> dict[str, object]:
    """A random configuration, roughly."""

    def ask(_name: str, primitive: object) -> float | int | str | bool:
        match primitive:
            case Choice(values):
                return values[rng.integers(len(values))]
            case IntUniform(low, high):
                return int(rng.integers(low, high + 1))
            case LogUniform(low, high):
                return float(low * (high / low) ** rng.random())
            case _:
                return float(primitive.low + rng.random() * (primitive.high - primitive.low))

    return space.assign(ask)


def record(study: Study, num: int, rng: np.random.Generator) -> list[Trial]:
    """Trials as a search would leave them; the last ones run."""
    rungs = study.scheduler.rungs(study.budget.max_epochs)
    trials = []
    for number in range(num):
        config = drawn(study.space, rng)
        value = float(abs(np.log10(config["rate"]) + 3) + config["dropout"] + rng.normal() / 10)
        height = min(int(rng.geometric(2 / 3)), len(rungs) + 1)
        reached = {rung: value + 1 / rung for rung in rungs[:height]}
        state = Completed() if height > len(rungs) else Stopped(max(reached))
        if number >= num - GANGS:
            reached, state = {}, Running()
        end = min(reached.values(), default=None)
        coordinates = study.coordinates(config)
        seed = Seed(study.seed, number)
        trials.append(Trial(number, config, coordinates, seed, state, value=end, rungs=reached))
    return trials


def main() -> None:
    print("| sampler | trials on record | proposing, ms (median / p95) | judging, ms |")
    print("|---|---|---|---|")
    for kind in ("ladder", "tpe"):
        study = replace(STUDY, sampler=Sampler(kind))
        for num in (20, 100, 1_000, 10_000):
            spent: list[tuple[float, float]] = []
            for repeat in range(REPEATS):
                trials = record(study, num, np.random.default_rng(repeat))
                started = time.perf_counter()
                propose(study, trials)
                proposed = time.perf_counter()
                trials[-1] = replace(trials[-1], rungs={3: 1.0})
                Standings(study, trials).judge(num - 1)
                spent.append((proposed - started, time.perf_counter() - proposed))
            columns = np.quantile(np.array(spent) * 1000, [0.5, 0.95], axis=0).T
            cells = " | ".join(f"{median:.0f} / {high:.0f}" for median, high in columns)
            print(f"| {kind} | {num:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
