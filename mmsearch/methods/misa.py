"""MISA: each modality in a subspace that all share and in one of its own, fused by attention.

Paper: MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis,
2020, arXiv 2005.03545; code: declare-lab/MISA and thuiar/MMSA.
Unusual: two of its losses compare the representations of a whole batch.
Differs from the code: text features are given, or come from a backbone, so there is no BERT of its
own; the published learning rate, 1e-4 for everything, is that of fine-tuning one, and the default
here is one that trains what is left. LSTMs have one width for all modalities, where the code has
each modality's own. Gradients are clipped by their norm, there by value. Its adversarial
alternative to the moment discrepancy, which no published row uses, is left out. Two to six
modalities of any names, of which `text` alone has no LSTM; for three the losses are the code's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import FinalStates, mean_of_steps
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.precision import full_precision
from mmsearch.losses.subspaces import moment_discrepancy, overlap
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Progress,
    require,
    trained,
)

TEXT = "text"
"""The modality whose steps come from a language model: their mean is taken."""
HEADS = 2
"""Attention heads of the fusion, as in the code."""


@dataclass(frozen=True)
class Parts:
    """A batch's modalities, each of them stacked in their order."""

    whole: Float[Tensor, "modalities batch features"]
    """Before they are split, u_m."""
    private: Float[Tensor, "modalities batch features"]
    """h_m^p, in (0, 1)."""
    shared: Float[Tensor, "modalities batch features"]
    """h_m^c, in (0, 1)."""


class MISA(Method):
    """Regression or classification from two to six modalities, sequences of any length."""

    class Config(MethodConfig):
        """Defaults: MMSA's row for MOSI, the learning rate and `wide` excepted."""

        batch_size: int = Field(16, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        accumulation: int = Field(2, ge=1)
        """Batches whose gradients are summed before an optimiser step."""
        gradient_clipping: float = Field(0.8, ge=0.0)
        """Largest gradient norm; 0 clips nothing. The code clips each value at this."""
        patience: int = Field(8, ge=0)
        """Epochs without improvement after which a trial is completed; 0 is never."""

        learning_rate: float = Field(5e-4, gt=0.0)
        """Adam's learning rate of all weights; the code's is 1e-4, with a BERT."""
        weight_decay: float = Field(0.0, ge=0.0)
        """Weight decay of all weights."""

        lstm_hidden: int = Field(32, ge=1)
        """Hidden width of the LSTMs; the code's is the number of a modality's features."""
        features: int = Field(128, ge=2, multiple_of=2)
        """Width of every representation; even, since the fusion has two heads."""
        wide: int = Field(512, ge=1)
        """Width inside the fusion's feed-forward part; the code's is PyTorch's default, 2048."""
        dropout: float = Field(0.2, ge=0.0, lt=1.0)
        """Dropout inside the head."""
        dropout_attention: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout inside the fusion; the code's is PyTorch's default."""

        similarity_weight: float = Field(0.3, ge=0.0)
        """Weight alpha of the discrepancy of the shared representations; 0 leaves it out."""
        difference_weight: float = Field(0.1, ge=0.0)
        """Weight beta of the overlap of subspaces; 0 leaves it out."""
        reconstruction_weight: float = Field(1.0, ge=0.0)
        """Weight gamma of the reconstructions; 0 leaves them out."""

    coupled_terms: ClassVar[frozenset[str]] = frozenset(["similarity", "difference"])

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="misa")
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: MISA.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        width, count = config.features, len(self.names)
        # Lists, not dictionaries, of modules: a modality may have any name.
        self.lstms = nn.ModuleList(
            FinalStates(FinalStates.Config(hidden=config.lstm_hidden), features)
            for name, features in task.modalities.items()
            if name != TEXT
        )
        seen = [w if name == TEXT else 4 * config.lstm_hidden for name, w in self._widths()]
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(one, width), nn.ReLU(), nn.LayerNorm(width)) for one in seen
        )
        self.private = nn.ModuleList(nn.Linear(width, width) for _ in self.names)
        self.shared = nn.Linear(width, width)
        rebuilt = self.names if config.reconstruction_weight > 0 else ()
        self.rebuild = nn.ModuleList(nn.Linear(width, width) for _ in rebuilt)
        self.fusion = nn.TransformerEncoderLayer(
            width, HEADS, dim_feedforward=config.wide, dropout=config.dropout_attention
        )
        self.head = nn.Sequential(
            nn.Linear(2 * count * width, count * width),
            nn.Dropout(config.dropout),
            nn.ReLU(),
            nn.Linear(count * width, task.outputs),
        )

    def _widths(self) -> list[tuple[str, int]]:
        return list(self.task.modalities.items())

    def forward(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Predictions in model units, or logits."""
        return self._predicted(self._parts(batch))

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """`task`, mean squared error or cross-entropy, and the weighted terms of the subspaces."""
        config, parts = self.config, self._parts(batch)
        terms = {"task": self._error(self._predicted(parts), batch)}
        if config.similarity_weight > 0 or config.difference_weight > 0:
            terms |= self._subspace_terms(parts, progress)
        if config.reconstruction_weight > 0:
            both = parts.private + parts.shared
            rebuilt = torch.stack(
                [layer(value) for layer, value in zip(self.rebuild, both, strict=True)]
            )
            error = nn.functional.mse_loss(rebuilt.float(), parts.whole.float())
            terms["reconstruction"] = config.reconstruction_weight * error
        return terms

    def _parts(self, batch: Batch) -> Parts:
        lstms = iter(self.lstms)
        vectors: list[Tensor] = []
        for name in self.names:
            sequence, lengths = batch.inputs[name], batch.lengths[name]
            pool = mean_of_steps if name == TEXT else next(lstms)
            vectors.append(pool(sequence, lengths))
        projected = [layer(vector) for layer, vector in zip(self.projections, vectors, strict=True)]
        private = [layer(value) for layer, value in zip(self.private, projected, strict=True)]
        whole = torch.stack(projected)
        return Parts(whole, torch.stack(private).sigmoid(), self.shared(whole).sigmoid())

    def _predicted(self, parts: Parts) -> Float[Tensor, "batch ..."]:
        """From one token for each private and each shared representation; in float32."""
        tokens = self.fusion(torch.cat([parts.private, parts.shared]))
        outputs = self.head(tokens.transpose(0, 1).flatten(1)).float()
        return outputs if self.task.classes else outputs.squeeze(1)

    def _error(self, prediction: Float[Tensor, "batch ..."], batch: Batch) -> Float[Tensor, ""]:
        if self.task.classes:
            return nn.functional.cross_entropy(prediction, batch.target)
        return nn.functional.mse_loss(prediction, batch.target)

    def _subspace_terms(self, parts: Parts, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Discrepancies, a mean over pairs, and overlaps, a sum over pairs, of the whole batch."""
        config, count = self.config, len(self.names)
        stacked = torch.cat([parts.private, parts.shared]).float()
        numbered = {str(index): value for index, value in enumerate(stacked)}
        whole = list(gather_together(numbered, progress.gather).values())
        private, shared = whole[:count], whole[count:]
        terms: Mapping[str, tuple[float, Tensor]]
        with full_precision(whole[0]):
            alike = [moment_discrepancy(x, y) for x, y in combinations(shared, 2)]
            pairs = [*zip(private, shared, strict=True), *combinations(private, 2)]
            apart = [overlap(x, y) for x, y in pairs]
            terms = {
                "similarity": (config.similarity_weight, torch.stack(alike).mean()),
                "difference": (config.difference_weight, torch.stack(apart).sum()),
            }
        return {name: weight * value for name, (weight, value) in terms.items() if weight > 0}

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group, `all`."""
        config = self.config
        return [ParameterGroup("all", trained([self]), config.learning_rate, config.weight_decay)]

    def whole_batch_reason(self) -> str | None:
        """The terms of the subspaces, where they are on."""
        config = self.config
        if config.similarity_weight > 0 or config.difference_weight > 0:
            return "compares subspaces over a batch"
        return None
