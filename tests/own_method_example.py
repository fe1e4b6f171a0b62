"""A method of your own, whole: an average of the modalities' linear predictions.

Search it by naming this file where a study names its method:

    method = "path/to/own_method_example.py"

The file holds one subclass of `Method`. Its `Config` is what `[published]` and `[space]` of the
study may name; batch size, accumulation, clipping and patience every method has already.
"""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import mean_of_steps
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained


class LinearAverage(Method):
    """Regression or classification, from any modalities."""

    class Config(MethodConfig):
        """Settings: each has a type, a default, bounds, and its meaning below it."""

        learning_rate: float = Field(1e-2, gt=0.0)
        """Adam's learning rate."""
        decay: float = Field(0.0, ge=0.0)
        """Weight of the mean absolute weight."""

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        self.config, self.task = config, task
        self.names = tuple(task.modalities)
        self.layers = nn.ModuleList(nn.Linear(n, task.outputs) for n in task.modalities.values())

    def forward(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Predictions in the units of `batch.target`, or one logit for each class."""
        vectors = [mean_of_steps(batch.inputs[name], batch.lengths[name]) for name in self.names]
        outputs = [layer(vector) for layer, vector in zip(self.layers, vectors, strict=True)]
        mean = torch.stack(outputs).mean(dim=0).float()
        return mean if self.task.classes else mean.squeeze(1)

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Terms by name, each with its weight: their sum is minimised, each becomes a curve."""
        error = nn.functional.cross_entropy if self.task.classes else nn.functional.l1_loss
        size = torch.cat([layer.weight.flatten().float() for layer in self.layers]).abs().mean()
        return {"task": error(self(batch), batch.target), "size": self.config.decay * size}

    def parameter_groups(self) -> list[ParameterGroup]:
        """Every weight in one group; groups may differ in learning rate and weight decay."""
        return [ParameterGroup("all", trained([self]), self.config.learning_rate)]
