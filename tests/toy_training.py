"""A toy method and toy data: what the training room is tested with.

The method has everything that training must be right about: a per-example and a coupled loss
term, a memory of every training example, two parameter groups, a weight that is never trained, a
weight held by the method itself, dropout, and if asked phases, and weights written after a step.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData, TargetTransform, Task
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Phase, Progress
from mmsearch.seeds import Seed
from mmsearch.space import Space
from mmsearch.study import Budget, Objective, Resources, Study
from mmsearch.training import Trainer, Worker, join, leave
from mmsearch.trial import Observation

FEATURES, STEPS, TRAIN, VALID = 5, 4, 43, 21
SEED = Seed(study=7, trial=3)


class Toy(Method):
    """Regression from one modality through one hidden layer."""

    class Config(MethodConfig):
        """Small enough for a test, with a switch for everything that may go wrong."""

        batch_size: int = Field(8, ge=1)
        learning_rate: float = Field(1e-2, gt=0.0)
        weight_decay: float = Field(0.0, ge=0.0)
        dropout: float = Field(0.0, ge=0.0, lt=1.0)
        contrast: float = Field(0.3, ge=0.0)
        phases: Literal["one", "two"] = "one"
        share: float = Field(1.0, gt=0.0, le=1.0)
        shrink: Literal["never", "every step"] = "never"
        diverges_in: int = 0
        runs_out_in: int = 0

    coupled_terms = frozenset({"contrast"})
    fixed_weights = ("frozen",)

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        self.config, self.task = config, task
        self.frozen = nn.Linear(FEATURES, FEATURES)
        self.body = nn.Sequential(nn.Linear(FEATURES, 6), nn.Tanh(), nn.Dropout(config.dropout))
        self.head = nn.Linear(6, 1)
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("memory", task.train_target.clone())
        self.register_buffer("visits", torch.zeros(len(task.train_target), dtype=torch.long))

    def forward(self, batch: Batch) -> Tensor:
        return self._predict(self._features(batch))

    def _features(self, batch: Batch) -> Tensor:
        value, length = batch.inputs["text"], batch.lengths["text"]
        mask = torch.arange(value.shape[1], device=value.device) < length[:, None]
        mean = (value * mask[..., None]).sum(1) / length[:, None].to(value.dtype)
        return self.body(mean + self.frozen(mean))

    def _predict(self, features: Tensor) -> Tensor:
        return (self.head(features) * self.scale).squeeze(1)

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        if progress.epoch == self.config.runs_out_in:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        features = self._features(batch)
        prediction = self._predict(features).float()
        self._last = prediction.detach()
        if progress.phase == "adversary":
            return {"adversary": (prediction - 1.0).square().mean()}
        remembered = (prediction - self.memory[batch.rows]).abs()
        error = (prediction - batch.target).abs() + 0.1 * remembered
        if progress.epoch == self.config.diverges_in:
            error = error * float("nan")
        unit = functional.normalize(progress.gather(features.float()), dim=1)
        target = progress.gather(batch.target)
        near = -(target[:, None] - target[None, :]).abs().softmax(1)
        contrast = -(near * (unit @ unit.T).log_softmax(1)).mean()
        return {"l1": error.mean(), "contrast": self.config.contrast * contrast}

    def after_backward(self, batch: Batch, progress: Progress) -> None:
        rows, value = progress.gather(batch.rows), progress.gather(self._last)
        self.memory[rows] = 0.5 * self.memory[rows] + 0.5 * value
        self.visits[rows] += 1

    def after_step(self) -> None:
        if self.config.shrink == "every step":
            self.scale.mul_(0.9)

    def stage_0_reason(self) -> str | None:
        if self.config.shrink == "never" and self.config.phases == "one":
            return None
        return super().stage_0_reason()

    def parameter_groups(self) -> list[ParameterGroup]:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        body = ParameterGroup("body", list(self.body.parameters()), rate, decay)
        head = [*self.head.parameters(), self.scale]
        return [body, ParameterGroup("head", head, 0.5 * rate, 2.0 * decay)]

    def phases(self) -> tuple[Phase, ...]:
        if self.config.phases == "one":
            return super().phases()
        adversary = Phase("adversary", ("head",), share=self.config.share)
        return (adversary, Phase("main", ("body", "head")))


def data(seed: int = 0) -> SearchData:
    """Targets are a noisy function of the first feature; lengths vary."""
    generator = torch.Generator().manual_seed(seed)

    def split(rows: int) -> Batch:
        value = torch.randn(rows, STEPS, FEATURES, generator=generator)
        length = torch.randint(1, STEPS + 1, (rows,), generator=generator)
        value *= (torch.arange(STEPS)[None, :] < length[:, None])[..., None]
        target = value[:, 0, 0] + 0.1 * torch.randn(rows, generator=generator)
        return Batch({"text": value}, {"text": length}, target, torch.arange(rows))

    train, valid = split(TRAIN), split(VALID)
    task = Task(
        dataset="toy",
        modalities={"text": FEATURES},
        loss_family="regression",
        transform=TargetTransform(scale=2.0),
        bound=3.0,
        metrics="mosi",
        train_target=train.target,
        balance="As many above as below.",
    )
    return SearchData(task, train, valid, fingerprint=f"toy-{seed}")


def study(*, max_epochs: int = 3, metric: str = "valid/mae", **changes: Any) -> Study:
    """A study of the toy method; `changes` are fields of `Study`."""
    changes.setdefault("objective", Objective(metric, "minimize"))
    return Study(
        name="toy",
        method="toy",
        dataset="toy",
        seed=SEED.study,
        budget=Budget(trials=1, max_epochs=max_epochs),
        space=Space({}),
        published={},
        text="",
        **{"resources": Resources(), **changes},
    )


def stage(number: int, **tables: Any) -> dict[str, Any]:
    """A `[deepspeed]` table."""
    return {"zero_optimization": {"stage": number}, **tables}


def curve(observations: list[Observation]) -> list[dict[str, float]]:
    """What was observed, without what a clock says."""
    return [
        {k: v for k, v in o.metrics.items() if k != "train/samples_per_second"}
        for o in observations
    ]


@contextmanager
def alone(folder: Path) -> Iterator[Worker]:
    """A gang of one, in this process."""
    worker = Worker()
    join(worker, init_method=f"file://{folder}/meeting")
    try:
        yield worker
    finally:
        leave()


@contextmanager
def trainer(worker: Worker, config: Mapping[str, Any], **changes: Any) -> Iterator[Trainer]:
    """A trainer of the toy; `changes` are those of `study`."""
    built = Trainer(study(**changes), data(), config, seed=SEED, worker=worker)
    try:
        yield built
    finally:
        built.close()


_find = methods.find


def _find_or_toy(name: str) -> type[Method]:
    return Toy if name == "toy" else _find(name)


methods.find = _find_or_toy
