"""Other projects' best multi-fidelity methods, on the clock of `search_quality.py`.

    rivals/bin/python benchmarks/search_rivals.py --data DATA/lcbench --seeds 3

`quality/rivals.py` says what the environment holds. `search_quality.py table` shows the results.
"""

import argparse
import time
import warnings
from pathlib import Path

from quality import clock, figures, lcbench
from quality.rivals import RIVALS

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs what is not on file."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", choices=[*RIVALS, []], default=list(RIVALS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--setting", choices=["A", "B"], default="A")
    asked = parser.parse_args()
    setting = {"A": clock.A, "B": clock.B}[asked.setting]
    results = figures.Results(RESULTS / asked.setting)
    for method in asked.methods:
        for task in lcbench.TASKS:
            surrogate = lcbench.Surrogate(asked.data, task)
            full = surrogate.average_seconds if setting.timed else float(lcbench.EPOCHS)
            for seed in range(asked.seeds):
                if (task, seed) in results.read(method):
                    continue
                started = time.perf_counter()
                incumbents = clock.play(RIVALS[method](seed), surrogate, setting, full=full)
                marks = figures.at_marks(incumbents)
                lcbench.found(task, marks[-1] or 0.0)
                results.add(method, (task, seed), marks)
                shown = " ".join("-" if v is None else f"{surrogate.regret(v):.3f}" for v in marks)
                seconds = time.perf_counter() - started
                print(f"{method:24} {task:>7} {seed}  {shown}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
