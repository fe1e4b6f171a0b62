"""Trials an hour: mmsearch, the documented stock pattern, and what training alone allows.

    python benchmarks/throughput.py --workers 2
    python benchmarks/throughput.py --workers 1

The same 40 trials of `studies/throughput.toml` (about a second of training each) are trained

* `alone`: by processes that train one trial after another and do nothing else;
* by `mmsearch`: `python -m mmsearch.tune`, its defaults, all files written;
* by `stock`: a Tune trial that starts a Ray Train TorchTrainer with DeepSpeed (`speed/stock.py`).

Side by side, in turns: a part of the trials each, several times. Trials an hour are counted from
the first trial's start to the last one's end; `with start` counts the whole command. `of bound` is
the share of the trials an hour that the seconds of `alone`'s epochs would allow.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mmsearch import sampling

HERE = Path(__file__).parent
STUDY = HERE / "studies" / "throughput.toml"
CORES = 2


def called(*command: str) -> dict[str, Any]:
    """What one of the parts prints, and how long it ran in all."""
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=HERE, check=True, capture_output=True, text=True
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "command_s": perf_counter() - started}


def searched(study: Path, trials: int, workers: int, epochs: int) -> dict[str, Any]:
    """What mmsearch's own record says of a search by its command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmsearch.tune", str(study), "--out", folder]
        command += ["--trials", str(trials), "--set", f"resources.workers={workers}"]
        command += ["--max-epochs", str(epochs)]
        started = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        command_s = perf_counter() - started
        (journal,) = Path(folder).glob("*/study.journal")
        record = sampling.read(f"journal://{journal}")
    begun = [trial.segments[0].started_at for trial in record.trials]
    ended = [trial.ended_at or 0.0 for trial in record.trials]
    epochs_s = [sum(one.train_seconds for one in trial.observations) for trial in record.trials]
    around = np.array(ended) - np.array(begun) - np.array(epochs_s)
    return {
        "epochs_s": epochs_s,
        "around_s": around.tolist(),
        "wall_s": max(ended) - min(begun),
        "command_s": command_s,
    }


def line(name: str, runs: Sequence[dict[str, Any]], gangs: int, bound_s: float) -> str:
    """A row of the table; `bound_s` is what a trial takes of a gang by training alone."""
    trained = sum(sum(run["epochs_s"]) for run in runs)
    trials = sum(len(run["epochs_s"]) for run in runs)
    around = np.concatenate([run.get("around_s", [np.nan]) for run in runs])
    wall = sum(run.get("wall_s", np.nan) for run in runs)
    command = sum(run["command_s"] for run in runs)
    cells = [
        f"{trained / trials:.2f}",
        f"{trials / wall * 3600:,.0f}",
        f"{trials / command * 3600:,.0f}",
        f"{np.median(around):.3f}",
        f"{trials * bound_s / gangs / wall:.0%}",
    ]
    shown = ("" if "nan" in cell else cell for cell in cells)
    return f"| {name} | {trials} | " + " | ".join(shown) + " |"


def main() -> None:
    """Runs all in turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=2, help="of a trial")
    parser.add_argument("--stock-trials", type=int, help="fewer, where time is short")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--study", type=Path, default=STUDY)
    asked = parser.parse_args()
    gangs = CORES // asked.workers
    each = asked.trials // asked.turns
    stock = each if asked.stock_trials is None else asked.stock_trials // asked.turns
    study = str(asked.study.resolve())
    rest = (str(asked.workers), str(gangs), str(asked.epochs))
    runs: dict[str, list[dict[str, Any]]] = {"alone": [], "mmsearch": [], "stock": []}
    for _ in range(asked.turns):
        runs["alone"].append(called("speed.alone", study, str(each), *rest))
        mine = searched(asked.study.resolve(), each, asked.workers, asked.epochs)
        runs["mmsearch"].append(mine)
        if stock:
            runs["stock"].append(called("speed.stock", study, str(stock), *rest))
    alone = np.concatenate([run["epochs_s"] for run in runs["alone"]])
    head = "| | trials | s of training | trials an hour | with start | turn-around, s | of bound |"
    print(head, "|---|---|---|---|---|---|---|", sep="\n")
    for name, found in runs.items():
        if found:
            print(line(name, found, gangs, float(alone.mean())))


if __name__ == "__main__":
    main()
