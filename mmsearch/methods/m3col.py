"""M3CoL: contrast of mixed embeddings between modalities, in its form for vectors (omics).

Paper: Harnessing Shared Relations via Multimodal Mixup Contrastive Learning for Multimodal
Classification, 2024 (TMLR 2025), arXiv 2409.17777.
Unusual: the contrast changes once, from M3Co to MultiSClip, at a share of the epochs that a
completed trial trains; trials stopped before that have never seen the second.
Differs from the paper: terms follow its released code, except where that does otherwise than the
paper says, which is a switch each (`m3co_target`, `mix_level`, `accumulate_fixed_points`). Its
StepLR, which multiplies the learning rate by 0.2 every 500 epochs, is left out: within 500 epochs
it does nothing. Dropout, which the code configures and never applies, is applied if it is set.
A modality of several steps is taken as their mean.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import MLP, mean_of_steps, two_layers
from mmsearch.errors import Problem, StudyError, closest
from mmsearch.fusion import Concat, FusionConfig
from mmsearch.fusion import build as build_fusion
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.mixup import Mixup, draw, positions
from mmsearch.losses.mixup_contrast import links, m3co, mixed_targets, multi_soft_clip
from mmsearch.losses.precision import full_precision
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained

FUSED = "task"
"""Name of the fused classifier's term; those of the modalities are `unimodal/<modality>`."""

Views = Mapping[str, Float[Tensor, "batch _width"]]
"""One vector per example, by modality."""


class M3CoL(Method):
    """Classification from two to six modalities."""

    class Config(MethodConfig):
        """Defaults: the published row for ROSMAP."""

        batch_size: int = Field(1024, ge=1)
        """Examples per forward pass, over all workers of the gang; the published rows train on
        the full batch, which 1024 exceeds."""
        learning_rate: float = Field(2e-3, gt=0.0)
        """Adam's learning rate of all weights."""
        weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of all weights."""

        features: int = Field(1000, ge=1)
        """Width E of both layers of the modalities' encoders."""
        hidden: int = Field(1000, ge=1)
        """Width P of the classifiers' hidden layer."""
        dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of the classifiers' hidden layer; the code configures 0.5 and applies none."""
        fusion: FusionConfig = Concat.Config()
        """How the modalities' embeddings are joined in front of the fused classifier."""

        unimodal_weight: float = Field(1.0, ge=0.0)
        """Weight of the modalities' own cross-entropies; 0 leaves their classifiers out."""
        contrast_weight: float = Field(0.1, ge=0.0)
        """Weight of M3Co and of MultiSClip (the code's lambda_mixup); 0 leaves both out."""
        pairs: Literal["cyclic", "all"] = "cyclic"
        """Contrasted pairs: each modality with the next and the last with the first, or each with
        every other. Two modalities are contrasted both ways by either."""

        mixup_pct: float = Field(0.33, ge=0.0, le=1.0)
        """Share of `max_epochs` that begins with M3Co, MultiSClip having the rest; whole epochs,
        rounded down."""
        mixup_beta: float = Field(0.15, gt=0.0)
        """Lambda of an example that M3Co mixes is from Beta(b, b)."""
        mixup_share: float = Field(0.5, ge=0.0, le=1.0)
        """Probability s that M3Co mixes an example."""
        mixup_temperature: float = Field(0.1, gt=0.0)
        """Temperature tau of M3Co."""
        soft_temperature: float = Field(0.125, gt=0.0)
        """Temperature T of MultiSClip."""
        m3co_target: Literal["unmixed", "mixed"] = "unmixed"
        """What mixed embeddings are compared with: the other modality's as they are, or mixed by
        their own draw, as the released code has it by writing into a tensor that it uses again."""
        mix_level: Literal["embedding", "input"] = "embedding"
        """What is mixed, by M3Co and by label mixup: embeddings, as in the code, or the vectors
        that the encoders take, as in the paper's figure."""
        accumulate_fixed_points: bool = True
        """Whether the targets of an example that is its own partner sum to 1; in the code its
        second share is written over the first, and an unmixed one has no target at all."""

        label_mixup: str = "off"
        """Plain mixup of inputs and labels, the paper's ablation: `off`, `all`, or the name of
        the one modality that is mixed. M3Co mixes apart from it."""
        label_mixup_beta: float = Field(0.2, gt=0.0)
        """The lambda that a batch has in label mixup is from Beta(b, b)."""

    coupled_terms: ClassVar[frozenset[str]] = frozenset(["m3co", "multi_soft_clip"])

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        _check(config, task)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: M3CoL.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        settings = MLP.Config(features=config.features)
        self.encoders = nn.ModuleDict(
            {name: MLP(settings, width) for name, width in task.modalities.items()}
        )
        unimodal = self.names if config.unimodal_weight > 0 else ()
        self.unimodal = nn.ModuleDict(
            {name: self._classifier(config.features) for name in unimodal}
        )
        self.fusion = build_fusion(config.fusion, dict.fromkeys(self.names, config.features))
        self.classifier = self._classifier(self.fusion.out_features)

    def _classifier(self, in_features: int) -> nn.Sequential:
        config, classes = self.config, self.task.outputs
        return two_layers(in_features, config.hidden, classes, dropout=config.dropout)

    def forward(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """Logits of the fused classifier."""
        return self.classifier(self.fusion(self._encode(self._vectors(batch)))).float()

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies of the fused and the modalities' classifiers, and the epoch's contrast.

        Nothing is mixed in evaluation mode.
        """
        vectors = self._vectors(batch)
        views = self._encode(vectors)
        if self.config.label_mixup == "off":
            terms = self._entropies(self._logits(views), batch.target)
        else:
            terms = self._label_mixed(vectors, views, batch, progress)
        if self.config.contrast_weight == 0:
            return terms
        if progress.epoch <= int(self.config.mixup_pct * progress.max_epochs):
            return terms | {"m3co": self._m3co(vectors, views, batch, progress)}
        return terms | {"multi_soft_clip": self._multi_soft_clip(views, progress)}

    def _vectors(self, batch: Batch) -> Views:
        """What the encoders take."""
        return {name: mean_of_steps(batch.inputs[name], batch.lengths[name]) for name in self.names}

    def _encode(self, vectors: Views) -> Views:
        return {
            name: self.encoders[name](
                vector.unsqueeze(1),
                torch.ones(len(vector), dtype=torch.int64, device=vector.device),
            )
            for name, vector in vectors.items()
        }

    def _logits(self, views: Views) -> dict[str, Float[Tensor, "batch classes"]]:
        """By term: of the fused classifier and of the modalities' own."""
        logits = {FUSED: self.classifier(self.fusion(views)).float()}
        for name in self.unimodal:
            logits[f"unimodal/{name}"] = self.unimodal[name](views[name]).float()
        return logits

    def _entropies(
        self, logits: Mapping[str, Float[Tensor, "batch classes"]], target: Int[Tensor, " batch"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies, weighted, by term."""
        return {
            term: (1.0 if term == FUSED else self.config.unimodal_weight)
            * nn.functional.cross_entropy(value, target)
            for term, value in logits.items()
        }

    def _label_mixed(
        self, vectors: Views, views: Views, batch: Batch, progress: Progress
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies of mixed examples with both labels, by what each classifier was mixed.

        The fused one keeps the mean of what its modalities keep.
        """
        config, gather = self.config, progress.gather
        chosen = self.names if config.label_mixup == "all" else (config.label_mixup,)
        share = 1.0 if self.training else 0.0
        (drawn,) = draw(batch.target, gather, count=1, beta=config.label_mixup_beta, share=share)
        mixup = Mixup(drawn.kept[:1].expand_as(drawn.kept), drawn.partners)
        own = positions(batch.rows, gather(batch.rows))
        before = views if config.mix_level == "embedding" else vectors
        whole = gather_together({name: before[name] for name in chosen}, gather)
        mixed = {name: mixup.of(value)[own] for name, value in whole.items()}
        logits = self._logits({**views, **(mixed if before is views else self._encode(mixed))})
        kept = {
            f"unimodal/{name}": mixup.kept[0] if name in chosen else torch.ones_like(mixup.kept[0])
            for name in self.names
        }
        kept[FUSED] = torch.stack(list(kept.values())).mean()
        first = self._entropies(logits, batch.target)
        second = self._entropies(logits, gather(batch.target)[mixup.partners][own])
        return {term: kept[term] * first[term] + (1 - kept[term]) * second[term] for term in logits}

    def _m3co(
        self, vectors: Views, views: Views, batch: Batch, progress: Progress
    ) -> Float[Tensor, ""]:
        """Weighted sum over the contrasted pairs; every modality has its own mixup."""
        config, gather = self.config, progress.gather
        drawn = draw(
            batch.target,
            gather,
            count=len(self.names),
            beta=config.mixup_beta,
            share=config.mixup_share if self.training else 0.0,
        )
        mixups = dict(zip(self.names, drawn, strict=True))
        whole = gather_together(_full(views), gather)
        if config.mix_level == "embedding":
            mixed: Views = {name: mixups[name].of(whole[name]) for name in self.names}
        else:
            own = positions(batch.rows, gather(batch.rows))
            inputs = gather_together(vectors, gather)
            parts = {name: mixups[name].of(inputs[name])[own] for name in self.names}
            mixed = gather_together(_full(self._encode(parts)), gather)
        others = whole if config.m3co_target == "unmixed" else mixed
        fixed = config.accumulate_fixed_points
        with full_precision(batch.target):
            terms = [
                m3co(
                    mixed[left],
                    others[right],
                    mixed_targets(mixups[left], accumulate_fixed_points=fixed),
                    temperature=config.mixup_temperature,
                )
                for left, right in links(self.names, pairs=config.pairs)
            ]
        return config.contrast_weight * torch.stack(terms).sum()

    def _multi_soft_clip(self, views: Views, progress: Progress) -> Float[Tensor, ""]:
        """Weighted sum over the contrasted pairs."""
        config = self.config
        whole = gather_together(_full(views), progress.gather)
        with full_precision(whole[self.names[0]]):
            terms = [
                multi_soft_clip(whole[left], whole[right], temperature=config.soft_temperature)
                for left, right in links(self.names, pairs=config.pairs)
            ]
        return config.contrast_weight * torch.stack(terms).sum()

    def parameter_groups(self) -> list[ParameterGroup]:
        """`all`."""
        modules = [self.encoders, self.fusion, self.classifier, self.unimodal]
        rates = self.config.learning_rate, self.config.weight_decay
        return [ParameterGroup("all", trained(modules), *rates)]


def _full(views: Views) -> Views:
    """The same in float32."""
    return {name: value.float() for name, value in views.items()}


def _check(config: M3CoL.Config, task: Task) -> None:
    """Raises StudyError for a task without classes, or mixup of a modality that it lacks."""
    problems: list[Problem] = []
    if task.loss_family != "classification":
        rule = f"m3col tells classes apart; {task.dataset} has a number to predict"
        problems.append(Problem("dataset", rule, "Choose another dataset or method."))
    known = ["off", "all", *task.modalities]
    if config.label_mixup not in known:
        rule = f"{config.label_mixup!r} is neither off nor all nor a modality of {task.dataset}"
        problems.append(Problem("config.label_mixup", rule, closest(config.label_mixup, known)))
    if problems:
        raise StudyError(problems)
