"""What `--export` leaves: weights, a loader, the card, and a README as Hugging Face reads it."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from mmsearch import backbones, training
from mmsearch.datasets import SearchData
from mmsearch.errors import Problem, TrainingError
from mmsearch.methods.base import MethodConfig
from mmsearch.train.asking import Request
from mmsearch.trial import Observation

LOADER = '''"""Predicts new rows by the weights in this folder.

    python load.py ROWS.npz

ROWS.npz has an array for each modality, (rows, features) or (rows, steps, features), and may have
`<modality>_lengths`. Prints a prediction a line. Needs mmsearch, and nothing that training needs.
"""

import sys
from pathlib import Path

import numpy as np

from mmsearch.training import Predictor

predictor = Predictor.load(Path(__file__).parent)

if __name__ == "__main__":
    arrays = dict(np.load(sys.argv[1]))
    ending = "_lengths"
    lengths = {k.removesuffix(ending): v for k, v in arrays.items() if k.endswith(ending)}
    inputs = {k: v for k, v in arrays.items() if not k.endswith(ending)}
    print(*predictor.names(predictor.predict(inputs, lengths)), sep="\\n")
'''
README = Template("""---
$front
---

# $name

One configuration of the method `$method`, trained on `$dataset` by mmsearch $version.

## What it predicts

$predicts from $modalities.
Inputs are what the dataset's reader gives to a method, after its scaling.

```python
from mmsearch.training import Predictor

predictor = Predictor.load("this folder")
predictor.predict({$arguments})
```

`python load.py rows.npz` prints a prediction for each row of the arrays in a file.

## How it was found and trained

Trial $trial of the study `$study`, after a search of $trials. Seed $seed, replicate $replicate;
trained for $epochs epochs, weights of epoch $epoch. `card.toml` holds the configuration, the search
space, versions, hardware and fingerprints: `python -m mmsearch.train card.toml` trains it again.

## Figures

On the validation split, by which epoch and configuration were chosen; one seed, so no interval.

| metric | value |
|---|---|
$figures

## Limits

* These figures are a winner's on the split that chose it: optimistic. No test split was read.
* It knows rows like those of `$dataset` and no others; it was not checked for bias of any kind.
* The file of weights holds the method's memories too, which may have a number for each training
  example (a label learned in training), and none of its inputs.
* No licence is stated here: the data's own decides which one can be.
""")


def check(folder: Path, config: MethodConfig) -> None:
    """Whether an export can be left here.

    Raises:
        TrainingError: the folder holds something, or a network reads raw data under the method.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        rule = f"expected a new or empty folder, got {str(folder)!r}"
        raise TrainingError(Problem("--export", rule, "Name another folder, or empty this one."))
    chosen = backbones.of_config(config)
    if chosen:
        rule = (
            f"the loader takes features, and {chosen[0].modality} is read raw "
            f"by {chosen[0].settings.model}"
        )
        raise TrainingError(Problem("--export", rule, "Leave it out: the checkpoint is kept."))


def write(request: Request, observation: Observation, data: SearchData, *, folder: Path) -> None:
    """Leaves everything in the folder that was asked for, which is complete or not there.

    Args:
        request: of which training.
        observation: of the epoch that the weights are of.
        data: what it was trained on.
        folder: of the checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    assert request.export is not None, "an export was asked for"
    target = request.export.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        training.write_weights(
            request.card.study, seed=request.seed, data=data, checkpoint=folder, folder=partial
        )
        (partial / "load.py").write_text(LOADER, encoding="utf-8")
        shutil.copyfile(request.card.path, partial / "card.toml")
        (partial / "README.md").write_text(readme(request, observation, data), encoding="utf-8")
        partial.chmod(0o755)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def readme(request: Request, observation: Observation, data: SearchData) -> str:
    """The model card."""
    card, task, seed = request.card, data.task, request.seed
    told = observation.valid
    classes = ", ".join(task.classes)
    return README.substitute(
        front=_front(request, told, data),
        name=card.name,
        method=Path(card.study.method).name,
        dataset=task.dataset,
        version=card.provenance.versions.get("mmsearch", ""),
        predicts=f"One of {len(task.classes)} classes ({classes})" if classes else "A number",
        modalities=", ".join(f"{k} ({v} features)" for k, v in task.modalities.items()),
        arguments=", ".join(f'"{name}": {name}' for name in task.modalities),
        trial=card.provenance.trial,
        study=card.study.name,
        trials=f"{card.study.budget.trials} trials",
        seed=seed.study,
        replicate=seed.replicate,
        epochs=request.epochs,
        epoch=observation.epoch,
        figures="\n".join(f"| {name} | {value:.6g} |" for name, value in told.items()),
    )


def _front(request: Request, told: Mapping[str, float], data: SearchData) -> str:
    """The front matter; JSON is YAML, so every value is written as JSON."""
    card, task = request.card, data.task
    result: dict[str, Any] = {
        "task": {"type": f"multimodal-{task.loss_family}"},
        "dataset": {"name": task.dataset, "type": task.dataset, "split": "valid"},
        "metrics": [{"type": k, "name": f"valid/{k}", "value": v} for k, v in told.items()],
    }
    front: dict[str, Any] = {
        "library_name": "mmsearch",
        "tags": ["multimodal", Path(card.study.method).stem, *task.modalities],
        "datasets": [task.dataset],
        "metrics": list(told),
        "model-index": [{"name": card.name, "results": [result]}],
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())
