"""Weights of a trial's chosen epoch in a folder of their own, and predictions of new rows by them.

Unusual: nothing of training is needed to predict: no DeepSpeed, no data, no seed. The weights are
in safetensors, which holds numbers and runs nothing; those that were never trained are there too.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData, TargetTransform, Task
from mmsearch.errors import Problem, TrainingError, closest, reason_of
from mmsearch.methods.base import Method
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training.chosen import restored
from mmsearch.training.evaluation import ROWS

WEIGHTS = "model.safetensors"
ABOUT = "model.json"
METHOD = "method.py"
FORMAT = 1
WAY_OUT = "Export it again with python -m mmsearch.train CARD --export."


def write_weights(
    study: Study, *, seed: Seed, data: SearchData, checkpoint: Path, folder: Path
) -> None:
    """Writes `model.safetensors` and `model.json` of the study's published configuration.

    Args:
        study: what was trained.
        seed: root of the streams: weights that are not trained are drawn by it.
        data: what it was trained on; its task goes into the folder, none of its inputs.
        checkpoint: a folder that `Trainer.save` wrote.
        folder: has to be there.

    Raises:
        TrainingError: there is no such checkpoint, or its weights are another configuration's.
        OSError: the folder cannot be written to.
    """
    method = restored(study, study.published, seed=seed, task=data.task, folder=checkpoint).method
    state = {name: value.contiguous().clone() for name, value in method.state_dict().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    own = study.method.endswith(".py")
    if own:
        shutil.copyfile(study.method, folder / METHOD)
    about = {
        "format": FORMAT,
        "method": METHOD if own else study.method,
        "config": methods.complete(study.method, study.published).model_dump(mode="json"),
        "task": _told(data.task),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _told(task: Task) -> dict[str, Any]:
    return {
        "dataset": task.dataset,
        "modalities": dict(task.modalities),
        "loss_family": task.loss_family,
        "center": task.transform.center,
        "scale": task.transform.scale,
        "bound": task.bound,
        "metrics": task.metrics,
        "classes": list(task.classes),
        "train_rows": len(task.train_target),
    }


def _task(told: Mapping[str, Any]) -> Task:
    regression = told["loss_family"] == "regression"
    return Task(
        dataset=told["dataset"],
        modalities=told["modalities"],
        loss_family=told["loss_family"],
        transform=TargetTransform(told["center"], told["scale"]),
        bound=told["bound"],
        metrics=told["metrics"],
        # Label memories have a row for each of them, and are read from the file.
        train_target=torch.zeros(told["train_rows"], dtype=None if regression else torch.int64),
        balance="",
        classes=tuple(told["classes"]),
    )


@dataclass(frozen=True)
class Predictor:
    """A trained method that predicts rows it has never seen."""

    method: Method
    """In evaluation mode, on the CPU."""

    @classmethod
    def load(cls, folder: Path | str) -> "Predictor":
        """The method that an export left in a folder.

        Raises:
            TrainingError: no export is there, or a file of it is damaged.
        """
        place = Path(folder)
        try:
            about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
            own = about["method"] == METHOD
            name = str((place / METHOD).resolve()) if own else about["method"]
            # Through JSON: strict configurations take its numbers and lists for what they are.
            config = methods.find(name).Config.model_validate_json(json.dumps(about["config"]))
            method = methods.find(name)(config, _task(about["task"]))
            method.load_state_dict(load_file(place / WEIGHTS), assign=True)
        except Exception as error:
            rule = f"is no export that can be loaded ({reason_of(error)})"
            raise TrainingError(Problem(str(folder), rule, WAY_OUT)) from error
        return cls(method.eval())

    def predict(
        self, inputs: Mapping[str, np.ndarray], lengths: Mapping[str, np.ndarray] | None = None
    ) -> Float[np.ndarray, "rows ..."]:
        """Predictions of rows, in their order.

        Args:
            inputs: by modality, numbers as the dataset gives them to a method, scaled as it scales
                them: (rows, features), or (rows, steps, features) padded at the end with zeros.
            lengths: by modality, how many steps of each row are real; all of them where left out.

        Returns:
            Values in original units, (rows,); of a classification logits, (rows, classes).

        Raises:
            TrainingError: modalities, rows or features are not what the method takes.
        """
        batch = self._batch(inputs, lengths or {})
        dtype = next((p.dtype for p in self.method.parameters()), torch.float32)
        passes = max(1, ceil(len(batch) / ROWS))
        parts: list[Tensor] = []
        with torch.no_grad():
            for rows in torch.arange(len(batch)).tensor_split(passes):
                part = batch.take(rows).to(torch.device("cpu"), dtype)
                parts.append(self.method(part).float())
        return self.method.task.transform.decode(torch.cat(parts)).numpy()

    def names(self, predictions: Float[np.ndarray, "rows ..."]) -> list[str]:
        """What was predicted, in words: the likeliest class, or the number."""
        classes = self.method.task.classes
        if not classes:
            return [repr(float(value)) for value in predictions]
        return [classes[int(row.argmax())] for row in predictions]

    def _batch(self, inputs: Mapping[str, np.ndarray], lengths: Mapping[str, np.ndarray]) -> Batch:
        wanted = self.method.task.modalities
        _require_names(list(inputs), list(wanted))
        arrays = {name: _steps(name, inputs[name], width) for name, width in wanted.items()}
        rows = {name: len(value) for name, value in arrays.items()}
        count = next(iter(rows.values()))
        if set(rows.values()) != {count} or not count:
            rule = f"each modality has the same rows, at least one, got {rows}"
            raise TrainingError(Problem("inputs", rule, "Give one row of each for each example."))
        task = self.method.task
        kind = torch.int64 if task.classes else torch.float32
        return Batch(
            inputs=arrays,
            lengths={
                name: _lengths(name, lengths.get(name), value) for name, value in arrays.items()
            },
            target=torch.zeros(count, dtype=kind),
            rows=torch.arange(count),
        )


def _require_names(given: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in given]
    strange = [name for name in given if name not in wanted]
    if missing:
        rule = f"takes {', '.join(wanted)}, and {', '.join(missing)} is missing"
        raise TrainingError(Problem("inputs", rule, "Give an array for each modality."))
    if strange:
        rule = f"takes {', '.join(wanted)}, got {', '.join(strange)}"
        raise TrainingError(Problem("inputs", rule, closest(strange[0], wanted)))


def _steps(name: str, value: np.ndarray, width: int) -> Float[Tensor, "rows steps features"]:
    array = np.asarray(value, dtype=np.float32)
    array = array[:, None, :] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] != width or not array.shape[1]:
        rule = f"has {width} features, (rows, {width}) or (rows, steps, {width}), got {value.shape}"
        raise TrainingError(Problem(f"inputs {name}", rule, "Give it as the dataset does."))
    if not np.isfinite(array).all():
        raise TrainingError(Problem(f"inputs {name}", "holds NaN or infinity", "Fill them in."))
    return torch.from_numpy(np.array(array))


def _lengths(name: str, value: np.ndarray | None, steps: Tensor) -> Int[Tensor, " rows"]:
    rows, most = steps.shape[:2]
    if value is None:
        return torch.full((rows,), most, dtype=torch.int64)
    given = torch.from_numpy(np.array(value, dtype=np.int64))
    if given.shape != (rows,) or given.min() < 1 or given.max() > most:
        rule = f"one for each row, from 1 to {most}, got {np.asarray(value).tolist()}"
        raise TrainingError(Problem(f"lengths {name}", rule, "Count the steps that are real."))
    return given
