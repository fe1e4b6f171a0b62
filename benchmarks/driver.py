"""What the driver of a search costs: trials of one second of sleep on 16 simulated gangs.

    python benchmarks/driver.py --trials 1000 --stock-trials 200

Through the real Ray Tune, dispatcher, journal on disk, live view, tables and TensorBoard, against
Tune as it comes, with a function that sleeps and reports, and with `reuse_actors=True`, its way of
keeping actors. All draw at random and stop nothing. Overhead is the wall time from the first
trial's start to the last one's end beyond the least that 16 gangs could take, a trial.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import speed.simulated
from bookkeeping import everything
from ray import tune

from mmsearch import datasets, methods, sampling
from mmsearch import study as studies
from mmsearch.cluster import machines
from mmsearch.cluster import search as searching
from mmsearch.cluster.machines import Room

GANGS = 16


class Sleeper(tune.Trainable):
    """A trial of stock Tune that can be told to train another configuration."""

    def step(self) -> dict[str, Any]:
        """The whole trial."""
        began = time.time()
        time.sleep(speed.simulated.TRIAL_S)
        return {"mae": self.config["learning_rate"], "began": began, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing was kept."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes another configuration."""
        self.config = new_config
        return True


def sleeping(config: dict[str, Any]) -> None:
    """A trial of stock Tune."""
    began = time.time()
    time.sleep(speed.simulated.TRIAL_S)
    tune.report({"mae": config["learning_rate"], "began": began})


def stock(trials: int, trainable: Any, *, reuse: bool) -> float:
    """Seconds from the first trial's start to the end."""
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trainable,
            param_space={"learning_rate": tune.loguniform(1e-5, 1e-1)},
            tune_config=tune.TuneConfig(
                num_samples=trials, reuse_actors=reuse, metric="mae", mode="min"
            ),
            run_config=tune.RunConfig(storage_path=folder, name="stock", verbose=0),
        )
        results = tuner.fit()
        ended = time.time()
        assert len(results) == trials
        return ended - min(result.metrics["began"] for result in results)


def ours(trials: int) -> float:
    """The same by mmsearch."""
    study = studies.load(studies.find("baseline"), schema_of=methods.schema_of)
    study = replace(
        study,
        budget=replace(study.budget, trials=trials, max_epochs=1),
        sampler=studies.Sampler("random"),
        scheduler=studies.Scheduler("none"),
    )
    data = datasets.load(study.dataset)
    searching.Gang = speed.simulated.SimulatedGang
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder).resolve()
        url = f"journal://{out}/study.journal"
        with sampling.open_ledger(url, study, provenance={}, resume=False) as ledger:
            listeners = everything(ledger, out)
            site = searching.Site(out)
            room = Room(gangs=GANGS, gpus_per_worker=0.0)
            searching.search(ledger, data, room, site=site, listeners=listeners)
            record = ledger.record()
    begun = min(trial.segments[0].started_at for trial in record.trials)
    return max(trial.ended_at or 0.0 for trial in record.trials) - begun


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--stock-trials", type=int, default=200)
    asked = parser.parse_args()
    print("| driver | trials | wall, s | least, s | overhead, ms a trial |\n|---|---|---|---|---|")
    runs = {
        "mmsearch": (asked.trials, ours),
        "Tune, `reuse_actors`": (asked.stock_trials, lambda n: stock(n, Sleeper, reuse=True)),
        "Tune": (asked.stock_trials, lambda n: stock(n, sleeping, reuse=False)),
    }
    for name, (trials, run) in runs.items():
        ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=GANGS)
        wall = run(trials)
        machines.stop()
        least = np.ceil(trials / GANGS) * speed.simulated.TRIAL_S
        cells = f"{trials:,} | {wall:.1f} | {least:.1f} | {(wall - least) / trials * 1e3:.1f}"
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
