"""MMIM: information between modalities, and between them and their fusion, is made large.

Paper: Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for Multimodal
Sentiment Analysis, 2021 (EMNLP), arXiv 2109.00412; code: declare-lab/Multimodal-Infomax.
Unusual: each epoch has two phases. The first fits likelihoods q(y|x) of modality pairs, the second
trains everything else with the bound that they give; entropies remember the batch before.
Differs from the code: text features are given, or come from a backbone, so there is no BERT of its
own; the likelihood keeps its -logvar/2, which the code omits (`include_logvar`), and an entropy
counts 0 where a batch is too small for its covariance. LSTMs run one way and have one layer, as
there; MMSA's run both ways. The code keeps an epoch only if test improves as well, which mmsearch
cannot. A task may lack one of the three modalities.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import Encoder, FirstStep, LastState
from mmsearch.losses.cpc import CPC
from mmsearch.losses.mmilb import FROM_TEXT, MMILB, WITHOUT_TEXT, Seen, pairs
from mmsearch.methods.base import (
    Method,
    MethodConfig,
    ParameterGroup,
    Phase,
    Progress,
    require,
    trained,
)
from mmsearch.methods.lr_schedule import LrSchedule, Plateau

MODALITIES = ("text", "audio", "vision")
FUSED = "fusion"


class MMIM(Method):
    """Regression from two or three of text, audio and vision."""

    class Config(MethodConfig):
        """Defaults: the released code's, which MMSA has for MOSI, MOSEI and SIMS alike.

        Settings of a modality that the task lacks belong to modules that are not built.
        """

        gradient_clipping: float = Field(1.0, ge=0.0)
        """Largest gradient norm; 0 clips nothing."""
        patience: int = Field(10, ge=0)
        """Epochs without improvement after which a trial is completed; 0 is never."""
        lr_schedule: LrSchedule = Plateau(watch="valid", patience=20, factor=0.5)
        """How the learning rates of both phases change from epoch to epoch."""

        learning_rate: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of everything but the likelihoods."""
        weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of everything but the likelihoods."""
        mmilb_learning_rate: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of the likelihoods q(y|x), in their own phase."""
        mmilb_weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of the likelihoods."""
        mmilb_share: float = Field(1.0, gt=0.0, le=1.0)
        """Share of an epoch's batches on which likelihoods are fitted; the code's is 0.5 on
        MOSEI."""

        audio_hidden: int = Field(16, ge=1)
        """Hidden width of the audio LSTM."""
        vision_hidden: int = Field(16, ge=1)
        """Hidden width of the vision LSTM."""
        audio_features: int = Field(16, ge=1)
        """Width of the audio features h_a."""
        vision_features: int = Field(16, ge=1)
        """Width of the vision features h_v."""
        fusion_features: int = Field(128, ge=1)
        """Width of both layers of the fusion, the second of which gives Z."""
        dropout: float = Field(0.1, ge=0.0, lt=1.0)
        """Dropout in front of the fusion."""

        cpc_weight: float = Field(0.1, ge=0.0)
        """Weight alpha of CPC from the fusion to each modality; 0 leaves it out."""
        cpc_layers: Literal[1, 2] = 1
        """Layers of the predictors from the fusion: linear, or linear-tanh-linear."""
        pair_weight: float = Field(0.1, ge=0.0)
        """Weight beta of likelihoods and entropies of pairs; 0 leaves them out, and the first
        phase with them."""
        pair_vision_audio: bool = False
        """Whether vision and audio are a pair too; without text they always are."""
        include_logvar: bool = True
        """Whether the likelihood keeps its -logvar/2; the code omits it, and the variance then
        grows without bound."""

    coupled_terms: ClassVar[frozenset[str]] = frozenset(
        [f"cpc/{name}" for name in MODALITIES]
        + [f"entropy/{x}_{y}" for x, y in (*FROM_TEXT, WITHOUT_TEXT)]
    )

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="mmim", family="regression", names=MODALITIES, most=3)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: MMIM.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        encoders = {name: _encoder(config, name, width) for name, width in task.modalities.items()}
        widths = {name: encoder.out_features for name, encoder in encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        width = config.fusion_features
        self.fusion = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(sum(widths.values()), width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
        )
        self.head = nn.Linear(width, 1)
        links = {name: (FUSED, name) for name in self.names}
        ends = {**widths, FUSED: width}
        self.cpc = CPC(links, ends, layers=config.cpc_layers) if config.cpc_weight > 0 else None
        for weight in trained([self]):
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight)
        self.mmilb = self._mmilb(widths)
        self._seen: Seen | None = None

    def _mmilb(self, widths: Mapping[str, int]) -> MMILB | None:
        config = self.config
        chosen = pairs(self.names, with_other=config.pair_vision_audio)
        if not chosen or config.pair_weight == 0:
            return None
        return MMILB(
            chosen, widths, include_logvar=config.include_logvar, memory_size=config.batch_size
        )

    def forward(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Predictions from the fusion, in model units."""
        return self._predicted(self._fused(self._encode(batch)))

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """L1 of the task, CPC by modality, and likelihood and entropy by pair.

        Phase `mi` has the negative log-likelihoods of q(y|x) alone, as `mi/<pair>`.
        """
        if progress.phase == "mi":
            return self._fitting_terms(batch)
        config, views = self.config, self._encode(batch)
        fused = self._fused(views)
        terms = {"task": (self._predicted(fused) - batch.target).abs().mean()}
        if self.cpc is not None:
            values = self.cpc({**views, FUSED: fused}, progress.gather)
            terms |= {f"cpc/{name}": config.cpc_weight * value for name, value in values.items()}
        if self.mmilb is not None:
            beta = config.pair_weight
            entropies, self._seen = self.mmilb.entropy_terms(
                views, batch.target, progress.gather, epoch=progress.epoch
            )
            misfits = self.mmilb.misfits(views)
            terms |= {f"likelihood/{pair}": beta * value for pair, value in misfits.items()}
            terms |= {f"entropy/{pair}": beta * value for pair, value in entropies.items()}
        return terms

    def _encode(self, batch: Batch) -> dict[str, Float[Tensor, "batch _features"]]:
        return {
            name: self.encoders[name](batch.inputs[name], batch.lengths[name])
            for name in self.names
        }

    def _fused(
        self, views: Mapping[str, Float[Tensor, "batch _features"]]
    ) -> Float[Tensor, "batch fused"]:
        """Z, in (-1, 1)."""
        return self.fusion(torch.cat([views[name] for name in self.names], dim=1))

    def _predicted(self, fused: Float[Tensor, "batch fused"]) -> Float[Tensor, " batch"]:
        return self.head(fused).squeeze(1).float()

    def _fitting_terms(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        assert self.mmilb is not None, "only MMILB has a phase of its own"
        with torch.no_grad():
            views = self._encode(batch)
        return {f"mi/{pair}": value for pair, value in self.mmilb.misfits(views).items()}

    @torch.no_grad()
    def after_backward(self, batch: Batch, progress: Progress) -> None:
        """Remembers the batch for the entropies of the next one."""
        seen, self._seen = self._seen, None
        if self.mmilb is not None and seen is not None:
            self.mmilb.remember(seen, epoch=progress.epoch)

    def parameter_groups(self) -> list[ParameterGroup]:
        """`main`, and `mi` for the likelihoods."""
        config = self.config
        modules = (self.encoders, self.fusion, self.head, self.cpc)
        main = trained([module for module in modules if module is not None])
        groups = [ParameterGroup("main", main, config.learning_rate, config.weight_decay)]
        if self.mmilb is not None:
            rates = config.mmilb_learning_rate, config.mmilb_weight_decay
            groups.append(ParameterGroup("mi", trained([self.mmilb]), *rates))
        return groups

    def phases(self) -> tuple[Phase, ...]:
        """Each epoch first fits q(y|x), then trains everything else."""
        main = Phase("main", ("main",))
        return (
            (main,) if self.mmilb is None else (Phase("mi", ("mi",), self.config.mmilb_share), main)
        )

    def whole_batch_reason(self) -> str | None:
        """Mutual information, where it is on."""
        off = self.cpc is None and self.mmilb is None
        return None if off else "estimates mutual information over a batch"


def _encoder(config: MMIM.Config, name: str, in_features: int) -> Encoder:
    if name == "text":
        return FirstStep(in_features)
    hidden, features = getattr(config, f"{name}_hidden"), getattr(config, f"{name}_features")
    return LastState(LastState.Config(hidden=hidden, features=features), in_features)
