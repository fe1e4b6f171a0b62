"""Self-MM: the task with one more for each modality, whose labels it generates by itself.

Paper: Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
Multimodal Sentiment Analysis, 2021 (AAAI-21), arXiv 2102.04830; code: thuiar/Self-MM and
thuiar/MMSA.
Unusual: keeps labels, features and class centres per training example, updated after backward.
Differs from the code: text features are given, or come from a backbone, so there is no BERT of its
own; a group of batches that an epoch leaves incomplete is stepped (`accumulation_tail`); both can
be set as there. A task may lack one of the three modalities. The authors say that the settings
behind the paper's figures are lost: the defaults are MMSA's, which were searched for anew.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import Encoder, FirstStep, Head, LastState
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.label_generation import (
    HUMAN,
    LabelMemory,
    euclidean,
    polarity,
    trusted_error,
)
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Progress,
    require,
    trained,
)

MODALITIES = ("text", "audio", "vision")
START = 2
"""Epoch (1-based) from which labels are updated; the first one only fills the banks."""


class SelfMM(Method):
    """Regression from two or three of text, audio and vision."""

    class Config(MethodConfig):
        """Defaults: MMSA's row for MOSI.

        Settings of a modality that the task lacks belong to modules that are not built.
        """

        batch_size: int = Field(16, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        accumulation: int = Field(4, ge=1)
        """Batches whose gradients are summed before an optimiser step."""
        patience: int = Field(8, ge=0)
        """Epochs without improvement after which a trial is completed; 0 is never."""

        learning_rate_audio: float = Field(5e-3, gt=0.0)
        """Adam's learning rate of the audio encoder."""
        learning_rate_vision: float = Field(5e-3, gt=0.0)
        """Adam's learning rate of the vision encoder."""
        learning_rate_other: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of the heads."""
        weight_decay_audio: float = Field(1e-3, ge=0.0)
        """Weight decay of the audio encoder."""
        weight_decay_vision: float = Field(1e-3, ge=0.0)
        """Weight decay of the vision encoder."""
        weight_decay_other: float = Field(1e-3, ge=0.0)
        """Weight decay of the heads."""

        audio_hidden: int = Field(16, ge=1)
        """Hidden width of the audio LSTM."""
        vision_hidden: int = Field(32, ge=1)
        """Hidden width of the vision LSTM."""
        audio_features: int = Field(16, ge=1)
        """Width of the audio features h_a."""
        vision_features: int = Field(32, ge=1)
        """Width of the vision features h_v."""

        post_fusion: int = Field(128, ge=1)
        """Width of the fusion head's feature F_f."""
        post_text: int = Field(32, ge=1)
        """Width of the text head's feature F_t."""
        post_audio: int = Field(16, ge=1)
        """Width of the audio head's feature F_a."""
        post_vision: int = Field(32, ge=1)
        """Width of the vision head's feature F_v."""
        dropout_fusion: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout in front of the fusion head."""
        dropout_text: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout in front of the text head."""
        dropout_audio: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout in front of the audio head."""
        dropout_vision: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout in front of the vision head."""

        exclude_zero: bool = True
        """Whether labels of exactly 0 stay out of the positive class; the code of thuiar/Self-MM
        takes them in, that of MMSA does not."""

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="selfmm", family="regression", names=MODALITIES, most=3)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: SelfMM.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        encoders = {name: _encoder(config, name, width) for name, width in task.modalities.items()}
        widths = {name: encoder.out_features for name, encoder in encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        inputs = {HUMAN: sum(widths.values()), **widths}
        self.heads = nn.ModuleDict(
            {space: _head(config, space, width) for space, width in inputs.items()}
        )
        features = {space: int(getattr(config, f"post_{space}")) for space in inputs}
        self.memory = LabelMemory(
            task.train_target, self.names, features, exclude_zero=config.exclude_zero
        )
        self._features: dict[str, Tensor] | None = None

    def forward(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Predictions of the fusion head, in model units."""
        _, prediction = self.heads[HUMAN](self._inputs(batch)[HUMAN])
        return prediction.float()

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """L1 of the task as `task`, and of each modality with its own label, `unimodal/<name>`."""
        outputs = {space: self.heads[space](x) for space, x in self._inputs(batch).items()}
        self._features = {space: f.detach().float() for space, (f, _) in outputs.items()}
        _, fused = outputs[HUMAN]
        terms = {"task": (fused.float() - batch.target).abs().mean()}
        for name in self.names:
            label = self.memory.label(name)[batch.rows]
            terms[f"unimodal/{name}"] = trusted_error(outputs[name][1], label, batch.target)
        return terms

    def _inputs(self, batch: Batch) -> Mapping[str, Float[Tensor, "batch _features"]]:
        """What each head sees: all modalities side by side, and each by itself."""
        views = {
            name: self.encoders[name](batch.inputs[name], batch.lengths[name])
            for name in self.names
        }
        return {HUMAN: torch.cat(list(views.values()), dim=1), **views}

    @torch.no_grad()
    def after_backward(self, batch: Batch, progress: Progress) -> None:
        """Updates the batch's labels, then the feature banks, then the centres."""
        part, self._features = self._features, None
        assert part is not None, "after_backward follows losses of the same batch"
        rows = progress.gather(batch.rows)
        features = gather_together(part, progress.gather)
        if progress.epoch >= START:
            polarities = {
                space: polarity(euclidean(value, self.memory.centres(space)))
                for space, value in features.items()
            }
            self.memory.relabel(rows, polarities, bound=self.task.bound, epoch=progress.epoch)
        self.memory.write(rows, features)

    def parameter_groups(self) -> list[ParameterGroup]:
        """`audio` and `vision`, their encoders; and `other`, the heads."""
        config = self.config
        groups = [
            ParameterGroup(
                name,
                trained([self.encoders[name]]),
                getattr(config, f"learning_rate_{name}"),
                getattr(config, f"weight_decay_{name}"),
            )
            for name in self.names
            if name != "text"
        ]
        rates = config.learning_rate_other, config.weight_decay_other
        return [*groups, ParameterGroup("other", trained([self.heads]), *rates)]

    def whole_batch_reason(self) -> str | None:
        """Label generation: centres move after each batch."""
        return "generates labels from a batch"


def _encoder(config: SelfMM.Config, name: str, in_features: int) -> Encoder:
    if name == "text":
        return FirstStep(in_features)
    hidden, features = getattr(config, f"{name}_hidden"), getattr(config, f"{name}_features")
    return LastState(LastState.Config(hidden=hidden, features=features), in_features)


def _head(config: SelfMM.Config, space: str, in_features: int) -> Head:
    dropout: float = getattr(config, f"dropout_{space}")
    return Head(in_features, getattr(config, f"post_{space}"), dropout=dropout)
