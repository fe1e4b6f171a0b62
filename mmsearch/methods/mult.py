"""MulT: every modality attends to every other one, then to itself.

Paper: Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019 (ACL), arXiv
1906.00295; code: yaohungt/Multimodal-Transformer and thuiar/MMSA.
Differs from the code: padding is left out of convolutions and attention, where the code takes it
in, and attention sees all steps, where the code masks those ahead: batches are cut to their longest
example, on which no prediction may depend. Convolutions have one width and attention one dropout
for all modalities. Gradients are clipped by their norm, there by value. Two or three modalities of
any names; on vectors, which are sequences of one step, there is nothing to attend to but that step.
"""

from itertools import permutations

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import CrossTransformer, TemporalConvolution, TemporalTransformer
from mmsearch.encoders.steps import last_steps
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Progress,
    require,
    trained,
)
from mmsearch.methods.lr_schedule import LrSchedule, Plateau

TEXT = "text"
"""The modality that has a dropout of its own."""
MEMORY_LAYERS = 3
"""Least layers of the transformers in which a modality attends to itself, as in the code."""


class MulT(Method):
    """Regression or classification from two or three modalities, sequences of any length."""

    class Config(MethodConfig):
        """Defaults: those of the authors' code, with 2 layers instead of 5 and twice its rate.

        Fewer layers are for a CPU's sake. Nor is anything dropped of what comes in, without which a
        small regression is not fitted. The study that is shipped has MMSA's row.
        """

        batch_size: int = Field(24, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        gradient_clipping: float = Field(0.8, ge=0.0)
        """Largest gradient norm; 0 clips nothing. The code clips each value at this."""
        patience: int = Field(8, ge=0)
        """Epochs without improvement after which a trial is completed; 0 is never."""
        lr_schedule: LrSchedule = Plateau(watch="valid", patience=20, factor=0.1)
        """How the learning rate changes from epoch to epoch."""

        learning_rate: float = Field(2e-3, gt=0.0)
        """Adam's learning rate of all weights; the code's is 1e-3, MMSA's 2e-3 for MOSI."""
        weight_decay: float = Field(0.0, ge=0.0)
        """Weight decay of all weights."""

        features: int = Field(30, ge=1)
        """Width d of every modality's steps; a multiple of `heads`."""
        heads: int = Field(5, ge=1)
        """Attention heads of all transformers."""
        layers: int = Field(2, ge=1)
        """Layers of the transformers between modalities; those within one have at least 3."""
        reach: int = Field(0, ge=0)
        """Neighbours on either side that the convolutions see."""

        dropout_text: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of the modality `text` as it comes in."""
        dropout_attention: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout of attention's weights; the code's is 0.1 for text and 0 for audio and vision."""
        dropout_relu: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout inside the transformers' feed-forward parts."""
        dropout_residual: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout of what attention and feed-forward parts add."""
        dropout_embedding: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout in front of the transformers."""
        dropout_output: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout inside the head."""

        @model_validator(mode="after")
        def _heads_divide_features(self) -> "MulT.Config":
            if self.features % self.heads:
                raise ValueError(
                    f"heads must divide features, got heads={self.heads}, features={self.features}"
                )
            return self

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="mult", most=3)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: MulT.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        others = len(self.names) - 1
        # Lists, not dictionaries, of modules: a modality may have any name.
        self.convolutions = nn.ModuleList(
            TemporalConvolution(
                TemporalConvolution.Config(features=config.features, reach=config.reach), width
            )
            for width in task.modalities.values()
        )
        self.across = nn.ModuleList(
            CrossTransformer(_transformer(config, config.features, config.layers))
            for _ in self._pairs()
        )
        within = _transformer(config, others * config.features, max(config.layers, MEMORY_LAYERS))
        self.within = nn.ModuleList(TemporalTransformer(within) for _ in self.names)
        joined = len(self.names) * others * config.features
        self.dropout = nn.Dropout(config.dropout_text)
        self.residual = nn.Sequential(
            nn.Linear(joined, joined),
            nn.ReLU(),
            nn.Dropout(config.dropout_output),
            nn.Linear(joined, joined),
        )
        self.head = nn.Linear(joined, task.outputs)

    def _pairs(self) -> list[tuple[str, str]]:
        """Modalities (target, source), of each target one after the other."""
        return list(permutations(self.names, 2))

    def forward(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Predictions in model units, or logits."""
        joined = torch.cat(self._memories(batch), dim=1)
        outputs = self.head(joined + self.residual(joined)).float()
        return outputs if self.task.classes else outputs.squeeze(1)

    def _memories(self, batch: Batch) -> list[Float[Tensor, "batch memory"]]:
        """Of each modality the last step, with what it found in the others."""
        steps: dict[str, Tensor] = {}
        for name, convolution in zip(self.names, self.convolutions, strict=True):
            sequence = batch.inputs[name]
            seen = self.dropout(sequence) if name == TEXT else sequence
            steps[name] = convolution(seen, batch.lengths[name])
        found: dict[str, list[Tensor]] = {name: [] for name in self.names}
        for (target, source), across in zip(self._pairs(), self.across, strict=True):
            ends = batch.lengths[target], steps[source], batch.lengths[source]
            found[target].append(across(steps[target], *ends))
        memories = zip(self.names, self.within, strict=True)
        return [
            last_steps(
                within(torch.cat(found[name], dim=2), batch.lengths[name]), batch.lengths[name]
            )
            for name, within in memories
        ]

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """`task`: mean absolute error of a regression, cross-entropy of a classification."""
        prediction = self(batch)
        if self.task.classes:
            return {"task": nn.functional.cross_entropy(prediction, batch.target)}
        return {"task": nn.functional.l1_loss(prediction, batch.target)}

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group, `all`."""
        config = self.config
        return [ParameterGroup("all", trained([self]), config.learning_rate, config.weight_decay)]

    def whole_batch_reason(self) -> str | None:
        """Nothing: every example counts by itself."""
        return None


def _transformer(config: MulT.Config, features: int, layers: int) -> TemporalTransformer.Config:
    return TemporalTransformer.Config(
        features=features,
        layers=layers,
        heads=config.heads,
        attention_dropout=config.dropout_attention,
        relu_dropout=config.dropout_relu,
        residual_dropout=config.dropout_residual,
        embedding_dropout=config.dropout_embedding,
    )
