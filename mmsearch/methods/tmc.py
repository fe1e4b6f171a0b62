"""TMC: each view gives evidence for every class, and Dempster's rule combines what they give.

Paper: Trusted Multi-View Classification, 2021 (ICLR), arXiv 2102.02051; with a pseudo-view of all
views side by side it is ETMC, 2022 (TPAMI), arXiv 2204.11423; code: hanmenghan/TMC.
Unusual: predictions come with an uncertainty, which evaluation does not use: their logits are the
logarithms of the Dirichlet's parameters, whose softmax is its mean.
Differs from the code: Dempster's rule is taken in closed form (see `losses.evidence`). The
published learning rate is for some thousand steps; the default here is one for some hundred. The
figures that M3CoL prints for TMC on ROSMAP and BRCA were made by settings that are not known. A
modality of several steps is taken as their mean.
"""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import mean_of_steps, perceptron
from mmsearch.losses.evidence import combined, evidential_error
from mmsearch.losses.precision import full_precision
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Progress,
    require,
    trained,
)

PSEUDO = "pseudo"


class TMC(Method):
    """Classification from two to six modalities."""

    class Config(MethodConfig):
        """Defaults: the released code's for handwritten digits, the learning rate excepted."""

        batch_size: int = Field(200, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        learning_rate: float = Field(1e-2, gt=0.0)
        """Adam's learning rate of all weights; the code's is 3e-4, for 500 epochs."""
        weight_decay: float = Field(1e-5, ge=0.0)
        """Weight decay of all weights."""

        hidden: int = Field(0, ge=0)
        """Width of a hidden layer of each view's network; 0 is the code's, of one layer."""
        dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of the hidden layers, where there are any."""
        annealing_epochs: int = Field(50, ge=1)
        """Epochs in which the pull of wrong evidence towards none grows to its full weight."""
        pseudo_view: bool = False
        """Whether all views side by side are one more view, as in ETMC."""

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="tmc", family="classification")
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: TMC.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        widths = list(task.modalities.values())
        widths += [sum(widths)] if config.pseudo_view else []
        between = [config.hidden] if config.hidden else []
        # A list, not a dictionary, of modules: a modality may have any name.
        self.networks = nn.ModuleList(
            perceptron([width, *between, task.outputs], dropout=config.dropout) for width in widths
        )

    def forward(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """Logarithms of the combined Dirichlet's parameters."""
        evidences = self._evidences(batch)
        with full_precision(evidences):
            return torch.log1p(combined(evidences))

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """The evidential error of all views combined, `task`, and of each, `unimodal/<name>`."""
        share = min(1.0, progress.epoch / self.config.annealing_epochs)
        evidences = self._evidences(batch)
        names = (*self.names, *([PSEUDO] if self.config.pseudo_view else []))
        with full_precision(evidences):
            terms = {"task": evidential_error(combined(evidences), batch.target, share=share)}
            for name, evidence in zip(names, evidences, strict=True):
                terms[f"unimodal/{name}"] = evidential_error(evidence, batch.target, share=share)
        return terms

    def _evidences(self, batch: Batch) -> Float[Tensor, "views batch classes"]:
        """Of every view, at least 0, in float32."""
        vectors = [mean_of_steps(batch.inputs[name], batch.lengths[name]) for name in self.names]
        vectors += [torch.cat(vectors, dim=1)] if self.config.pseudo_view else []
        outputs = [network(vector) for network, vector in zip(self.networks, vectors, strict=True)]
        return nn.functional.softplus(torch.stack(outputs).float())

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group, `all`."""
        config = self.config
        return [ParameterGroup("all", trained([self]), config.learning_rate, config.weight_decay)]

    def whole_batch_reason(self) -> str | None:
        """Nothing: every example counts by itself."""
        return None
