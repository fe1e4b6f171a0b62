"""Self-MI: self-supervised unimodal labels with mutual-information terms.

Paper: Self-MI: Efficient Multimodal Fusion via Self-Supervised Multi-Task Learning with Auxiliary
Mutual Information Maximization, 2023, arXiv 2311.03785; its parents are Self-MM (AAAI-21) for
backbone and label generation, and MMIM (EMNLP-21) for CPC and MMILB.
Unusual: keeps labels, features and class centres per training example, updated after backward.
Differs from the paper, whose text was not to be had: terms are combined as Self-MM's and MMIM's
code has them; text features are given, so no BERT is trained; with label generation off, the
unimodal heads learn the human label, since Self-MM's weight of it is 0 by construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import Encoder, FirstStep, Head, LastState
from mmsearch.fusion import Concat, FusionConfig
from mmsearch.fusion import build as build_fusion
from mmsearch.losses.cpc import CPC
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.label_generation import (
    HUMAN,
    LabelMemory,
    cosine_distance,
    euclidean,
    polarity,
    trusted_error,
)
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

MODALITIES = ("text", "audio", "vision")
WITHOUT_TEXT_BY = {"cpc": ("audio", "vision"), "mmilb": WITHOUT_TEXT}
"""Direction of the pair without text, by `pair_mi`; MMIM has its own."""


@dataclass(frozen=True)
class Trace:
    """What `after_backward` needs of a batch's forward pass, detached and in float32."""

    features: Mapping[str, Tensor]
    """By space: F, or the encoders' features under `cpc_score`. This worker's part of the batch."""
    seen: Seen | None
    """What the entropies remember, of the whole batch."""


class SelfMI(Method):
    """Regression from two or three of text, audio and vision, with generated unimodal labels."""

    class Config(MethodConfig):
        """Defaults: MMSA's published row of Self-MM for MOSI; MI weights are MMIM's.

        The Self-MI paper's own settings are not public. Settings of a modality that the task
        lacks, and `mmilb_*` under another `pair_mi`, belong to modules that are not built.
        """

        batch_size: int = Field(16, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        accumulation: int = Field(4, ge=1)
        """Batches whose gradients are summed before an optimiser step."""
        patience: int = Field(8, ge=0)
        """Epochs without improvement after which a trial is completed; 0 is never."""

        fusion: FusionConfig = Concat.Config()
        """How the modalities' features are joined in front of the fusion head."""

        learning_rate_audio: float = Field(5e-3, gt=0.0)
        """Adam's learning rate of the audio encoder."""
        learning_rate_vision: float = Field(5e-3, gt=0.0)
        """Adam's learning rate of the vision encoder."""
        learning_rate_other: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of heads, fusion and predictors."""
        weight_decay_audio: float = Field(1e-3, ge=0.0)
        """Weight decay of the audio encoder."""
        weight_decay_vision: float = Field(1e-3, ge=0.0)
        """Weight decay of the vision encoder."""
        weight_decay_other: float = Field(1e-3, ge=0.0)
        """Weight decay of heads, fusion and predictors."""

        audio_hidden: int = Field(16, ge=1)
        """Hidden width of the audio LSTM."""
        vision_hidden: int = Field(32, ge=1)
        """Hidden width of the vision LSTM."""
        audio_features: int = Field(16, ge=1)
        """Width of the audio features h_a."""
        vision_features: int = Field(32, ge=1)
        """Width of the vision features h_v."""

        post_fusion: int = Field(128, ge=1)
        """Width of the fusion head's feature F_f, which is the z of CPC."""
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

        unimodal_weight: float = Field(1.0, ge=0.0)
        """Weight of the unimodal losses; 1 is Self-MM's, 0 leaves the unimodal heads out."""
        ulg: Literal["ulgm", "cpc_score", "off"] = "ulgm"
        """Unimodal labels: Self-MM's generation; the same with distances by CPC's score; or off,
        which trains the unimodal heads on the human label with weight 1."""
        ulg_start_epoch: int = Field(2, ge=2)
        """Epoch (1-based) from which labels are updated; the epochs before only fill the banks."""
        momentum: Literal["paper", "off"] = "paper"
        """In epoch n (n-1)/(n+1) of the old label and 2/(n+1) of the new one; off: the new one."""
        exclude_zero: bool = True
        """Whether labels of exactly 0 stay out of the positive class."""

        cpc_weight: float = Field(0.1, ge=0.0)
        """Weight alpha of CPC from the fusion to each modality; 0 leaves it out."""
        cpc_layers: Literal[1, 2] = 1
        """Layers of the predictors from the fusion: linear, or linear-tanh-linear."""
        cpc_temperature: float = Field(1.0, gt=0.0)
        """Divides the similarities of every CPC term; 1 is MMIM's."""

        pair_mi: Literal["cpc", "mmilb", "none"] = "cpc"
        """Estimator of the information between pairs: CPC, MMIM's likelihood bound, or none."""
        pair_weight: float = Field(0.1, ge=0.0)
        """Weight beta of the pair terms; 0 leaves them out."""
        pair_vision_audio: bool = False
        """Whether vision and audio are a pair too; without text they always are."""
        mmilb_learning_rate: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of the likelihood q(y|x), in its own phase."""
        mmilb_weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of the likelihood q(y|x)."""
        mmilb_include_logvar: bool = True
        """Whether the likelihood keeps its -logvar/2; MMIM's code omits it, and the variance then
        grows without bound."""
        mmilb_share: float = Field(1.0, gt=0.0, le=1.0)
        """Share of an epoch's batches on which the likelihood is fitted; MMIM's is 0.5 on MOSEI."""

    coupled_terms: ClassVar[frozenset[str]] = frozenset(
        [f"cpc/{name}" for name in MODALITIES]
        + [f"pair/{x}_{y}" for x, y in (*FROM_TEXT, WITHOUT_TEXT_BY["cpc"])]
        + [f"entropy/{x}_{y}" for x, y in (*FROM_TEXT, WITHOUT_TEXT_BY["mmilb"])]
    )

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        require(task, method="selfmi", family="regression", names=MODALITIES, most=3)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: SelfMI.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        encoders = {name: _encoder(config, name, width) for name, width in task.modalities.items()}
        widths = {name: encoder.out_features for name, encoder in encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = build_fusion(config.fusion, widths)
        inputs = {HUMAN: self.fusion.out_features}
        if config.unimodal_weight > 0:
            inputs.update(widths)
        self.heads = nn.ModuleDict(
            {space: _head(config, space, width) for space, width in inputs.items()}
        )
        self.memory = _label_memory(config, task)
        ends = {**widths, HUMAN: config.post_fusion}
        self.cpc = self._fusion_cpc(ends)
        self.pair_cpc, self.mmilb = self._pair_modules(ends)
        self._trace: Trace | None = None

    def _fusion_cpc(self, widths: Mapping[str, int]) -> CPC | None:
        config = self.config
        scores = self.memory is not None and config.ulg == "cpc_score"
        if config.cpc_weight == 0 and not scores:
            return None
        links = {name: (HUMAN, name) for name in self.names}
        return CPC(links, widths, layers=config.cpc_layers, temperature=config.cpc_temperature)

    def _pair_modules(self, widths: Mapping[str, int]) -> tuple[CPC | None, MMILB | None]:
        config = self.config
        chosen = _pairs(config, self.names)
        if not chosen:
            return None, None
        if config.pair_mi == "cpc":
            return CPC(chosen, widths, temperature=config.cpc_temperature), None
        return None, MMILB(
            chosen,
            widths,
            include_logvar=config.mmilb_include_logvar,
            memory_size=config.batch_size,
        )

    def forward(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Predictions of the fusion head, in model units."""
        _, prediction = self.heads[HUMAN](self.fusion(self._encode(batch)))
        return prediction.float()

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """L1 of the task, weighted L1 of the modalities, CPC, and terms of the pairs.

        Phase `mi` has the negative log-likelihoods of q(y|x) alone, as `mi/<pair>`.
        """
        if progress.phase == "mi":
            return self._fitting_terms(batch)
        views = self._encode(batch)
        outputs = {HUMAN: self.heads[HUMAN](self.fusion(views))}
        outputs |= {
            name: self.heads[name](views[name]) for name in self.names if name in self.heads
        }
        features = {space: feature for space, (feature, _) in outputs.items()}
        terms = {
            "task" if space == HUMAN else f"unimodal/{space}": self._error(space, value, batch)
            for space, (_, value) in outputs.items()
        }
        terms |= self._cpc_terms({**views, HUMAN: features[HUMAN]}, progress)
        bound, seen = self._mmilb_terms(views, batch, progress)
        kept = features if self.config.ulg == "ulgm" else {**views, HUMAN: features[HUMAN]}
        self._trace = Trace({name: value.detach().float() for name, value in kept.items()}, seen)
        return terms | bound

    def _encode(self, batch: Batch) -> dict[str, Float[Tensor, "batch _features"]]:
        return {
            name: self.encoders[name](batch.inputs[name], batch.lengths[name])
            for name in self.names
        }

    def _error(
        self, space: str, prediction: Float[Tensor, " batch"], batch: Batch
    ) -> Float[Tensor, ""]:
        """Mean of W * |prediction - y_s|, with W = tanh|y_s - y_m| for generated labels, else 1."""
        weight = 1.0 if space == HUMAN else self.config.unimodal_weight
        if space == HUMAN or self.memory is None:
            return weight * (prediction.float() - batch.target).abs().mean()
        label = self.memory.label(space)[batch.rows]
        return weight * trusted_error(prediction, label, batch.target)

    def _cpc_terms(
        self, views: Mapping[str, Float[Tensor, "batch _features"]], progress: Progress
    ) -> dict[str, Float[Tensor, ""]]:
        """CPC from the fusion to each modality, and between pairs.

        With alpha = 0 the predictors that `cpc_score` reads learn from detached features.
        """
        alpha, beta = self.config.cpc_weight, self.config.pair_weight
        terms: dict[str, Tensor] = {}
        if self.cpc is not None:
            ends = views if alpha else {name: value.detach() for name, value in views.items()}
            values = self.cpc(ends, progress.gather)
            terms |= {f"cpc/{name}": (alpha or 1.0) * value for name, value in values.items()}
        if self.pair_cpc is not None:
            values = self.pair_cpc(views, progress.gather)
            terms |= {f"pair/{name}": beta * value for name, value in values.items()}
        return terms

    def _mmilb_terms(
        self,
        views: Mapping[str, Float[Tensor, "batch _features"]],
        batch: Batch,
        progress: Progress,
    ) -> tuple[dict[str, Float[Tensor, ""]], Seen | None]:
        if self.mmilb is None:
            return {}, None
        beta = self.config.pair_weight
        likelihoods = self.mmilb.misfits(views)
        entropies, seen = self.mmilb.entropy_terms(
            views, batch.target, progress.gather, epoch=progress.epoch
        )
        terms = {f"likelihood/{pair}": beta * value for pair, value in likelihoods.items()}
        return terms | {f"entropy/{pair}": beta * v for pair, v in entropies.items()}, seen

    def _fitting_terms(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        assert self.mmilb is not None, "only MMILB has a phase of its own"
        with torch.no_grad():
            views = self._encode(batch)
        return {f"mi/{pair}": value for pair, value in self.mmilb.misfits(views).items()}

    @torch.no_grad()
    def after_backward(self, batch: Batch, progress: Progress) -> None:
        """Updates the batch's labels, then the feature banks, then the centres."""
        if progress.phase == "mi":
            return
        trace, self._trace = self._trace, None
        assert trace is not None, "after_backward follows losses of the same batch"
        if self.mmilb is not None and trace.seen is not None:
            self.mmilb.remember(trace.seen, epoch=progress.epoch)
        if self.memory is None:
            return
        rows = progress.gather(batch.rows)
        features = gather_together(trace.features, progress.gather)
        if progress.epoch >= self.config.ulg_start_epoch:
            polarities = {
                space: polarity(self._distances(self.memory, space, features[space]))
                for space in self.memory.spaces
            }
            epoch = progress.epoch if self.config.momentum == "paper" else 1
            self.memory.relabel(rows, polarities, bound=self.task.bound, epoch=epoch)
        self.memory.write(rows, features)

    def _distances(
        self, memory: LabelMemory, space: str, features: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "2 batch"]:
        """To both class centres; by `cpc_score` to what CPC predicts from the fusion's centres."""
        if self.config.ulg == "ulgm":
            return euclidean(features, memory.centres(space))
        centres = memory.centres(HUMAN)
        if space != HUMAN:
            assert self.cpc is not None
            centres = self.cpc.predict(space, centres)
        return cosine_distance(features, centres)

    def parameter_groups(self) -> list[ParameterGroup]:
        """`audio`, `vision` (their encoders), `other`, and `mi` for MMILB's likelihoods."""
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
        modules = (self.fusion, self.heads, self.cpc, self.pair_cpc)
        others = trained([module for module in modules if module is not None])
        rates = config.learning_rate_other, config.weight_decay_other
        groups.append(ParameterGroup("other", others, *rates))
        if self.mmilb is not None:
            rates = config.mmilb_learning_rate, config.mmilb_weight_decay
            groups.append(ParameterGroup("mi", trained([self.mmilb]), *rates))
        return groups

    def phases(self) -> tuple[Phase, ...]:
        """With MMILB each epoch first fits q(y|x), then trains everything else."""
        names = [group.name for group in self.parameter_groups()]
        main = Phase("main", tuple(name for name in names if name != "mi"))
        if self.mmilb is None:
            return (main,)
        return Phase("mi", ("mi",), self.config.mmilb_share), main

    def whole_batch_reason(self) -> str | None:
        """Mutual information and label generation, where they are on."""
        if self.cpc is not None or self.pair_cpc is not None or self.mmilb is not None:
            return "estimates mutual information over a batch"
        return "generates labels from a batch" if self.memory is not None else None


def _encoder(config: SelfMI.Config, name: str, in_features: int) -> Encoder:
    if name == "text":
        return FirstStep(in_features)
    hidden, features = getattr(config, f"{name}_hidden"), getattr(config, f"{name}_features")
    return LastState(LastState.Config(hidden=hidden, features=features), in_features)


def _head(config: SelfMI.Config, space: str, in_features: int) -> Head:
    dropout: float = getattr(config, f"dropout_{space}")
    return Head(in_features, getattr(config, f"post_{space}"), dropout=dropout)


def _label_memory(config: SelfMI.Config, task: Task) -> LabelMemory | None:
    """Memory of labels where unimodal labels are generated: CPC's score needs one bank alone."""
    if config.ulg == "off" or config.unimodal_weight == 0:
        return None
    spaces = (HUMAN, *task.modalities) if config.ulg == "ulgm" else (HUMAN,)
    widths: dict[str, int] = {space: getattr(config, f"post_{space}") for space in spaces}
    modalities = tuple(task.modalities)
    return LabelMemory(task.train_target, modalities, widths, exclude_zero=config.exclude_zero)


def _pairs(config: SelfMI.Config, names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Modalities (x, y) of each pair whose information counts, by the pair's name."""
    if config.pair_mi == "none" or config.pair_weight == 0:
        return {}
    other = WITHOUT_TEXT_BY[config.pair_mi]
    return pairs(names, other=other, with_other=config.pair_vision_audio)
