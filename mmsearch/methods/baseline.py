"""Baseline: an encoder for each modality, one fusion, one head; nothing of any paper's own.

With its arms it is early fusion (`concat`), late fusion (`late`), a tensor fusion network
(`tensor`), low-rank fusion (`low_rank`) or a gated multimodal unit (`gated`), each with encoders
that are searched like everything else: what a paper's method must beat under the same budget.

Unusual: it is nobody's paper, so nothing of it is published; the defaults are plain middle values.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import (
    Encoder,
    EncoderSettings,
    FirstStep,
    LastState,
    mean_of_steps,
    perceptron,
)
from mmsearch.fusion import Concat, Fusion, FusionConfig, FusionSettings
from mmsearch.fusion import build as build_fusion
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained

TEXT = "text"
"""The modality that has an encoder of its own."""
Pool = Callable[[Tensor, Tensor], Tensor]
Views = Mapping[str, Float[Tensor, "batch _features"]]
Prediction = Float[Tensor, "batch ..."]


class Layers(EncoderSettings):
    """Settings of two layers on one vector."""

    features: int = Field(default=64, ge=1)
    """Width of both layers, and of the features that come out."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Dropout between them."""


class Mean(Layers):
    """The mean of the steps, then two layers."""

    kind: Literal["mean"] = "mean"


class First(Layers):
    """The first step, where a language model has its summary, then two layers."""

    kind: Literal["first"] = "first"


class Lstm(LastState.Config):
    """The last state of an LSTM; on vectors, sequences of one step, it has nothing to remember."""

    kind: Literal["lstm"] = "lstm"
    hidden: int = Field(default=64, ge=1)
    """Width of the hidden state."""
    features: int = Field(default=64, ge=1)
    """Width of the features that come out."""


class Late(FusionSettings):
    """No fusion of features: the mean of the unimodal predictions, or of their probabilities."""

    kind: Literal["late"] = "late"


EncoderConfig = Annotated[Mean | First | Lstm, Field(discriminator="kind")]
"""Settings of any encoder of the baseline."""
EarlyOrLate = Annotated[FusionConfig | Late, Field(discriminator="kind")]
"""Settings of any fusion, or of late fusion."""


class Baseline(Method):
    """Regression or classification from two to six modalities of any names.

    Raises:
        StudyError: another number of modalities, or a product of features that is too large.
    """

    class Config(MethodConfig):
        """Defaults: nobody's, for this is no paper's method; plain values in the middle."""

        learning_rate: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of all weights."""
        weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of all weights."""

        encoder: EncoderConfig = Mean()
        """The encoder of every modality but `text`, each with weights of its own."""
        text_encoder: EncoderConfig = Mean()
        """The encoder of the modality `text`, built where the task has it."""
        fusion: EarlyOrLate = Concat.Config()
        """How modalities are joined: as features in front of the head, or as predictions."""

        head_features: int = Field(64, ge=1)
        """Hidden width of every head."""
        dropout: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout inside every head."""
        unimodal_weight: float = Field(0.0, ge=0.0)
        """Weight of each unimodal head's own loss; 0 leaves it out, and the heads as well unless
        late fusion needs them."""

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: Baseline.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        encoders = [_encoder(config, name, width) for name, width in task.modalities.items()]
        widths = {
            name: encoder.out_features for name, encoder in zip(self.names, encoders, strict=True)
        }
        # Lists, not dictionaries, of modules: a modality may have any name.
        self.encoders = nn.ModuleList(encoders)
        self.fusion, self.head = self._early(widths)
        alone = config.unimodal_weight > 0 or self.fusion is None
        self.unimodal_heads = nn.ModuleList(
            self._head(width) for width in (widths.values() if alone else ())
        )

    def _early(self, widths: Mapping[str, int]) -> tuple[Fusion | None, nn.Module | None]:
        """The fusion and its head, both None under late fusion."""
        if isinstance(self.config.fusion, Late):
            return None, None
        fusion = build_fusion(self.config.fusion, widths)
        return fusion, self._head(fusion.out_features)

    def _head(self, in_features: int) -> nn.Sequential:
        config, outputs = self.config, self.task.outputs
        return perceptron([in_features, config.head_features, outputs], dropout=config.dropout)

    def forward(self, batch: Batch) -> Prediction:
        """Predictions in model units, or logits."""
        views = self._encode(batch)
        return self._joined(views, self._unimodal(views) if self.fusion is None else {})

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """`task` of the joined prediction, and weighted `unimodal/<name>` of the others.

        Each is L1 of a regression, cross-entropy of a classification.
        """
        views = self._encode(batch)
        unimodal = self._unimodal(views)
        weight = self.config.unimodal_weight
        terms = {"task": self._error(self._joined(views, unimodal), batch)}
        if weight > 0:
            terms |= {
                f"unimodal/{name}": weight * self._error(prediction, batch)
                for name, prediction in unimodal.items()
            }
        return terms

    def _encode(self, batch: Batch) -> Views:
        return {
            name: encoder(batch.inputs[name], batch.lengths[name])
            for name, encoder in zip(self.names, self.encoders, strict=True)
        }

    def _unimodal(self, views: Views) -> dict[str, Prediction]:
        """What each unimodal head predicts; empty where there are none."""
        heads = zip(self.names, self.unimodal_heads, strict=False)
        return {name: self._shaped(head(views[name])) for name, head in heads}

    def _joined(self, views: Views, unimodal: Mapping[str, Prediction]) -> Prediction:
        if self.fusion is None or self.head is None:
            return averaged(torch.stack(list(unimodal.values())))
        return self._shaped(self.head(self.fusion(views)))

    def _shaped(self, outputs: Float[Tensor, "batch outputs"]) -> Prediction:
        """In float32; one number an example for a regression."""
        return outputs.float() if self.task.classes else outputs.float().squeeze(1)

    def _error(self, prediction: Prediction, batch: Batch) -> Float[Tensor, ""]:
        if self.task.classes:
            return nn.functional.cross_entropy(prediction, batch.target)
        return nn.functional.l1_loss(prediction, batch.target)

    def whole_batch_reason(self) -> str | None:
        """Nothing: every example counts by itself."""
        return None

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group, `all`."""
        config = self.config
        return [ParameterGroup("all", trained([self]), config.learning_rate, config.weight_decay)]


def averaged(predictions: Float[Tensor, "modalities batch ..."]) -> Prediction:
    """Mean over modalities; of logits the logarithm of the mean of their probabilities."""
    if predictions.dim() == 2:
        return predictions.mean(dim=0)
    return predictions.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(predictions))


class _Pooled(Encoder):
    """One vector for the steps, then two layers."""

    def __init__(self, pool: Pool, config: Layers, in_features: int) -> None:
        super().__init__()
        self.out_features = config.features
        self.pool = pool
        features = config.features
        self.layers = perceptron([in_features, features, features], dropout=config.dropout)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_features"]:
        """Features of each example."""
        return self.layers(self.pool(sequence, lengths))


def _encoder(config: Baseline.Config, name: str, in_features: int) -> Encoder:
    chosen = config.text_encoder if name == TEXT else config.encoder
    if isinstance(chosen, Lstm):
        return LastState(chosen, in_features)
    pool = FirstStep(in_features) if isinstance(chosen, First) else mean_of_steps
    return _Pooled(pool, chosen, in_features)
