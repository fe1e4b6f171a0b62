"""The surrogate of LCBench's learning curves: a configuration gives 52 epochs at once.

Source: slds-lmu/yahpo_data (Apache-2.0), `lcbench/model.onnx`. Only the twelve tasks named here are
for building; the others are held out.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mmsearch.space import IntLogUniform, IntUniform, LogUniform, Space, Uniform
from quality.drawing import draw

TASKS = (
    "3945", "126025", "146212", "167152", "167181", "167190",
    "168329", "168335", "168910", "189865", "189905", "189909",
)  # fmt: skip
EPOCHS = 52
SPACE = Space(
    {
        "batch_size": IntLogUniform(16, 512),
        "learning_rate": LogUniform(1e-4, 1e-1),
        "momentum": Uniform(0.1, 0.99),
        "weight_decay": Uniform(1e-5, 1e-1),
        "num_layers": IntUniform(1, 5),
        "max_units": IntLogUniform(64, 1024),
        "max_dropout": Uniform(0.0, 1.0),
    }
)
"""In the order of the network's inputs, which begin with the epoch."""
BEST = Path(__file__).parent / "best_known.json"
"""By task: the best accuracy that anything ever found, and the median of random configurations."""


class Surrogate:
    """One task."""

    space, epochs = SPACE, EPOCHS

    def __init__(self, folder: Path, task: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.task = task
        self._network = onnxruntime.InferenceSession(folder / "model.onnx", options)
        codes = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
        self._code = codes[task]
        self._curves: dict[tuple[Any, ...], np.ndarray] = {}

    def curve(self, config: Mapping[str, Any], trial: int = 0) -> np.ndarray:
        """Seconds since the start and validation accuracy in percent, after each epoch: [52, 2]."""
        key = tuple(config[name] for name in SPACE.parameters)
        if key not in self._curves:
            self._curves[key] = self.curves(np.array([key], dtype=float))[0]
        return self._curves[key]

    def truth(self, config: Mapping[str, Any]) -> float:
        """Validation accuracy after the last epoch; the surrogate has no noise."""
        return float(self.curve(config)[-1, 1])

    def curves(self, configs: np.ndarray) -> np.ndarray:
        """The same for many configurations, in the order of `SPACE`: [n, 52, 2]."""
        epochs = np.tile(np.arange(1, EPOCHS + 1), len(configs))[:, None]
        inputs = np.hstack([epochs, np.repeat(configs, EPOCHS, axis=0)]).astype(np.float32)
        code = np.full((len(inputs), 1), self._code, np.int32)
        (answer,) = self._network.run(None, {"x_cont": inputs, "x_cat": code})
        return answer[:, :2].reshape(len(configs), EPOCHS, 2).astype(float)

    @cached_property
    def average_seconds(self) -> float:
        """What a full training of a random configuration takes on average."""
        rng = np.random.default_rng(1)
        drawn = np.array([list(draw(SPACE, rng).values()) for _ in range(500)], dtype=float)
        return float(self.curves(drawn)[:, -1, 0].mean())

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Best known accuracy and the median of random configurations."""
        known = json.loads(BEST.read_text())[self.task]
        return known["best"], known["median"]

    def regret(self, accuracy: float) -> float:
        """0 is best known, 1 the median of random configurations."""
        best, median = self.scale
        return (best - accuracy) / (best - median)


def found(task: str, accuracy: float) -> None:
    """Keeps what a search has found where it is better than the best known."""
    scales = json.loads(BEST.read_text())
    if accuracy > scales[task]["best"]:
        scales[task]["best"] = accuracy
        BEST.write_text(json.dumps(scales, indent=1) + "\n")


def measure(folder: Path, num: int = 20_000) -> None:
    """Writes the scale of every task, from random configurations."""
    scales = {}
    for task in TASKS:
        surrogate = Surrogate(folder, task)
        rng = np.random.default_rng(0)
        drawn = np.array([list(draw(SPACE, rng).values()) for _ in range(num)], dtype=float)
        parts = [surrogate.curves(part)[:, -1, 1] for part in np.array_split(drawn, num // 500)]
        final = np.concatenate(parts)
        scales[task] = {"best": float(final.max()), "median": float(np.median(final))}
    BEST.write_text(json.dumps(scales, indent=1) + "\n")
