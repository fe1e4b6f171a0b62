"""MMDynamics: each feature weighed by a gate, each view by how sure it is of its own answer.

Paper: Multimodal Dynamics: Dynamical Fusion for Trustworthy Multimodal Classification, 2022
(CVPR); code: TencentAILabHealthcare/mmdynamics.
Unusual: a view's confidence is trained to be the probability that it gives the true class.
Differs from the code: nothing that is known; full batches are what `batch_size` exceeds. The code
lets the confidence's term change the probability it aims at, which `detach_confidence_target`
stops. arXiv 2411.00725 reports trouble with repeating the published figures, which the code reads
off test after its last epoch. A modality of several steps is taken as their mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import mean_of_steps, perceptron
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Progress,
    require,
    trained,
)
from mmsearch.methods.lr_schedule import LrSchedule, Step


@dataclass(frozen=True)
class View:
    """One view of a batch."""

    gates: Float[Tensor, "batch width"]
    """Of its features, in (0, 1)."""
    logits: Float[Tensor, "batch classes"]
    """Of its own classifier."""
    confidence: Float[Tensor, " batch"]
    """How sure it is, unbounded."""
    weighed: Float[Tensor, "batch hidden"]
    """Its features times its confidence."""


class MMDynamics(Method):
    """Classification from two to six modalities."""

    class Config(MethodConfig):
        """Defaults: the released code's, which are the same for ROSMAP and BRCA."""

        batch_size: int = Field(1024, ge=1)
        """Examples per forward pass, over all workers of the gang; the code trains on the full
        batch, which 1024 exceeds."""
        learning_rate: float = Field(1e-4, gt=0.0)
        """Adam's learning rate of all weights."""
        weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of all weights."""
        lr_schedule: LrSchedule = Step(every=500, factor=0.2)
        """How the learning rate changes from epoch to epoch."""

        hidden: int = Field(1000, ge=1)
        """Width of each view's features."""
        dropout: float = Field(0.5, ge=0.0, lt=1.0)
        """Dropout of each view's features."""

        unimodal_weight: float = Field(1.0, gt=0.0)
        """Weight of the views' own cross-entropies, from which their classifiers learn."""
        confidence_weight: float = Field(1.0, ge=0.0)
        """Weight of the squared errors of the confidences; 0 leaves them out."""
        sparsity_weight: float = Field(1.0, ge=0.0)
        """Weight of the views' mean gates; 0 leaves them out."""
        detach_confidence_target: bool = False
        """Whether the probability of the true class is only aimed at; in the code the term
        changes it too."""

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="mmdynamics", family="classification")
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: MMDynamics.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        widths, hidden, classes = task.modalities.values(), config.hidden, task.outputs
        # Lists, not dictionaries, of modules: a modality may have any name.
        self.gates = nn.ModuleList(perceptron([width, width]) for width in widths)
        self.encoders = nn.ModuleList(perceptron([width, hidden]) for width in widths)
        self.classifiers = nn.ModuleList(perceptron([hidden, classes]) for _ in widths)
        self.confidences = nn.ModuleList(perceptron([hidden, 1]) for _ in widths)
        self.dropout = nn.Dropout(config.dropout)
        self.head = perceptron([len(widths) * hidden, classes])

    def forward(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """Logits of the views joined."""
        return self._joined(list(self._views(batch)))

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies `task` and `unimodal/`, and `confidence/` and `sparsity/` by view."""
        config, views = self.config, list(self._views(batch))
        terms = {"task": nn.functional.cross_entropy(self._joined(views), batch.target)}
        for name, view in zip(self.names, views, strict=True):
            entropy = nn.functional.cross_entropy(view.logits, batch.target)
            terms[f"unimodal/{name}"] = config.unimodal_weight * entropy
            if config.confidence_weight > 0:
                own = view.logits.softmax(dim=1).gather(1, batch.target.unsqueeze(1)).squeeze(1)
                aim = own.detach() if config.detach_confidence_target else own
                error = (view.confidence - aim).square().mean()
                terms[f"confidence/{name}"] = config.confidence_weight * error
            if config.sparsity_weight > 0:
                terms[f"sparsity/{name}"] = config.sparsity_weight * view.gates.float().mean()
        return terms

    def _views(self, batch: Batch) -> Iterator[View]:
        layers = zip(self.gates, self.encoders, self.classifiers, self.confidences, strict=True)
        for name, (gate, encoder, classifier, confidence) in zip(self.names, layers, strict=True):
            vector = mean_of_steps(batch.inputs[name], batch.lengths[name])
            gates = gate(vector).sigmoid()
            features = self.dropout(encoder(gates * vector).relu())
            sure = confidence(features)
            yield View(
                gates, classifier(features).float(), sure.float().squeeze(1), sure * features
            )

    def _joined(self, views: list[View]) -> Float[Tensor, "batch classes"]:
        return self.head(torch.cat([view.weighed for view in views], dim=1)).float()

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group, `all`."""
        config = self.config
        return [ParameterGroup("all", trained([self]), config.learning_rate, config.weight_decay)]

    def whole_batch_reason(self) -> str | None:
        """Nothing: every example counts by itself."""
        return None
