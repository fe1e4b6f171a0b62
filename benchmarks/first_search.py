"""What a search of Self-MI on the embedded data finds: against the published configuration and
against random search of the same budget, over study seeds.

    python benchmarks/first_search.py --out /tmp/first_search --seeds 3

Three searches a seed, each by the command that a user types, one after the other:

* `default`: the study file as it is (TPE and successive halving);
* `random`: random proposals, the same halving, the same number of trials;
* `random_full`: random proposals, no stopping, as many trials as the epochs that `default` trained
  pay for.

Figures are on the validation split and one seed's winners: optimistic, all three alike.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from mmsearch import sampling
from mmsearch.trial import Record


def search(out: Path, name: str, *options: str) -> tuple[Record, float]:
    """Runs or finishes one search; a finished one is only read."""
    journal = out / name / "study.journal"
    command = [sys.executable, "-m", "mmsearch.tune", "selfmi", "--out", str(out), "--name", name]
    command += [*options, *(["--resume"] if journal.exists() else [])]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return sampling.read(f"journal://{journal}"), time.perf_counter() - started


def epochs(record: Record) -> int:
    """Epochs trained over all trials."""
    return sum(trial.epoch for trial in record.trials)


def row(seed: int, name: str, record: Record, seconds: float) -> str:
    """One line of the table."""
    incumbent, published = record.incumbent, record.published
    assert incumbent
    assert published
    lead = (published.value - incumbent.value) / published.value
    return (
        f"| {seed} | {name} | {len(record.trials)} | {epochs(record)} | {published.value:.4f} "
        f"| {incumbent.value:.4f} | {lead:+.1%} | {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-epochs", type=int, default=27)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| study seed | search | trials | epochs | published MAE | incumbent MAE | lead | s |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in range(arguments.seeds):
        at = ("--seed", str(seed))
        random = (*at, "--set", 'sampler.kind="random"')
        default, seconds = search(arguments.out, f"default-{seed}", *at)
        print(row(seed, "default", default, seconds), flush=True)
        print(row(seed, "random", *search(arguments.out, f"random-{seed}", *random)), flush=True)
        trials = str(max(2, round(epochs(default) / arguments.max_epochs)))
        full = (*random, "--set", 'scheduler={kind="none"}', "--trials", trials)
        print(row(seed, "random_full", *search(arguments.out, f"full-{seed}", *full)), flush=True)


if __name__ == "__main__":
    main()
