"""How long faults of a cluster take, and what they cost: the laboratory's scenario as a table.

    python benchmarks/faults.py

Needs root, some of Debian's packages and `mmsearch[cluster]`, see `tests/cluster/lab.py`, and about
ten minutes of an idle machine.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests" / "cluster")]

import scenario  # noqa: E402
from lab import why_not  # noqa: E402

from mmsearch import sampling  # noqa: E402
from mmsearch.trial import Record  # noqa: E402

FAULTS = {
    "a raylet killed": 0,
    "a cable out for good": 1,
    "the driver killed": 2,
    "the head killed": 3,
    "a machine drained": 4,
    f"the shared disk away for {scenario.AWAY_S:.0f} s": 5,
}
"""The trial that each happens to."""


def record(folder: Path, name: str) -> Record:
    """Of one of the scenario's studies."""
    return sampling.read(f"journal://{folder}/shared/{name}/studies/toy/study.journal")


def main() -> None:
    if reason := why_not():
        raise SystemExit(f"no laboratory of hosts: {reason}")
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        folder = Path(made)
        seconds = scenario.play(folder)["seconds"]
        sound, faulty = record(folder, "sound"), record(folder, "faulty")
    print("| fault | s | attempts | goes on after epoch | observations lost | doubled | other |")
    print("|---|---|---|---|---|---|---|")
    for name, number in FAULTS.items():
        told, trial = sound.trials[number].observations, faulty.trials[number]
        epochs = [one.epoch for one in trial.observations]
        known = {one.epoch: dict(one.metrics) for one in told}
        other = sum(known.get(one.epoch) != dict(one.metrics) for one in trial.observations)
        starts = ", ".join(str(one.start_epoch) for one in trial.segments[1:]) or "its place"
        cells = [
            f"{seconds[name]:.0f}" if name in seconds else "",
            trial.attempts,
            starts,
            len(set(known) - set(epochs)),
            len(epochs) - len(set(epochs)),
            other,
        ]
        print(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    print("\n" + ", ".join(f"{name}: {value:.0f} s" for name, value in seconds.items()))


if __name__ == "__main__":
    main()
