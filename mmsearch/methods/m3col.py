"""M3CoL: contrast of mixed embeddings between modalities, for omics, and for images with text.

Paper: Harnessing Shared Relations via Multimodal Mixup Contrastive Learning for Multimodal
Classification, 2024 (TMLR 2025), arXiv 2409.17777.
Unusual: the contrast changes once, from M3Co to MultiSClip, at a share of the epochs that a
completed trial trains; trials stopped before that have never seen the second.
Differs from the paper: terms follow its released code, except where that does otherwise than the
paper says, which is a switch each (`m3co_target`, `mix_level`, `accumulate_fixed_points`).
Dropout, which the code configures and never applies, is applied if it is set. A modality of several
steps is taken as their mean.

The form for omics has an encoder for each view and classifiers of two layers. That for images and
text takes what its networks give (`text_backbone`, `vision_backbone`) as embeddings (`encoder =
"none"`) and has classifiers of three. Its code goes on from the best weights after each validation
(`reload_best`), and trains on rows in their order, with dropout off after the first validation,
neither of which is done here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from mmsearch.batch import Batch, are_features, are_tokens
from mmsearch.datasets.task import Task
from mmsearch.encoders import MLP, Encoder, FirstStep, mean_of_steps, perceptron
from mmsearch.errors import Problem, StudyError, closest
from mmsearch.fusion import Concat, FusionConfig
from mmsearch.fusion import build as build_fusion
from mmsearch.losses.gathering import gather_together
from mmsearch.losses.mixup import Mixup, draw, positions
from mmsearch.losses.mixup_contrast import links, m3co, mixed_targets, multi_soft_clip
from mmsearch.losses.precision import full_precision
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained

TEXT = "text"
FUSED = "task"
"""Name of the fused classifier's term; those of the modalities are `unimodal/<modality>`."""

Views = Mapping[str, Float[Tensor, "batch _width"]]
"""One vector per example, by modality."""


@dataclass(frozen=True)
class Scene:
    """A batch in training, and what was made of it."""

    batch: Batch
    progress: Progress
    vectors: Views
    """What the encoders take."""
    views: Views
    """Embeddings."""


class M3CoL(Method):
    """Classification from two to six modalities."""

    class Config(MethodConfig):
        """Defaults: the published row for ROSMAP."""

        batch_size: int = Field(1024, ge=1)
        """Examples per forward pass, over all workers of the gang; the published rows train on
        the full batch, which 1024 exceeds."""
        learning_rate: float = Field(2e-3, gt=0.0)
        """Adam's learning rate of all weights but those of networks that learn along."""
        text_rate: float = Field(1.0, gt=0.0)
        """Of the classifier of the modality `text`, where there is one: its learning rate as a
        share of `learning_rate`."""
        weight_decay: float = Field(1e-4, ge=0.0)
        """Weight decay of all weights but those of networks that learn along."""

        encoder: Literal["mlp", "none"] = "mlp"
        """What makes a modality's embedding of its vector: two layers, or nothing."""
        features: int = Field(1000, ge=1)
        """Width E of both layers of the modalities' encoders."""
        classifier_layers: Literal[2, 3] = 2
        """Layers of the classifiers: 2 for omics, 3 for images and text."""
        hidden: int = Field(1000, ge=1)
        """Width P of the classifiers' hidden layers."""
        dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of the classifiers' first hidden layer; the code configures 0.5 and applies
        none."""
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
        """What is mixed, by M3Co and by label mixup: embeddings, as in the code, or inputs, as in
        the paper's figure: images and sounds that a network learns along with, else the vectors
        that the encoders take. Of text only embeddings can be mixed where it is tokens."""
        accumulate_fixed_points: bool = True
        """Whether the targets of an example that is its own partner sum to 1; in the code its
        second share is written over the first, and an unmixed one has no target at all."""

        label_mixup: str = "off"
        """Plain mixup of inputs and labels, the paper's ablation: `off`, `all`, or the name of
        the one modality that is mixed. M3Co mixes apart from it."""
        label_mixup_beta: float = Field(0.2, gt=0.0)
        """The lambda that a batch has in label mixup is from Beta(b, b)."""

    coupled_terms: ClassVar[frozenset[str]] = frozenset(["m3co", "multi_soft_clip"])
    plans_ahead: ClassVar[bool] = True

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        _check(config, task)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: M3CoL.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        encoders = {name: _encoder(config, width) for name, width in task.modalities.items()}
        self.encoders = nn.ModuleDict(encoders)
        widths = {name: encoder.out_features for name, encoder in encoders.items()}
        unimodal = self.names if config.unimodal_weight > 0 else ()
        self.unimodal = nn.ModuleDict({name: self._classifier(widths[name]) for name in unimodal})
        self.fusion = build_fusion(config.fusion, widths)
        self.classifier = self._classifier(self.fusion.out_features)

    def _classifier(self, in_features: int) -> nn.Sequential:
        config, classes = self.config, self.task.outputs
        hidden = [config.hidden] * (config.classifier_layers - 1)
        return perceptron([in_features, *hidden, classes], dropout=config.dropout)

    def forward(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """Logits of the fused classifier."""
        return self.classifier(self.fusion(self._encode(self._vectors(batch)))).float()

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies of the fused and the modalities' classifiers, and the epoch's contrast.

        Nothing is mixed in evaluation mode.
        """
        vectors = self._vectors(batch)
        scene = Scene(batch, progress, vectors, self._encode(vectors))
        if self.config.label_mixup == "off":
            terms = self._entropies(self._logits(scene.views), batch.target)
        else:
            terms = self._label_mixed(scene)
        if self.config.contrast_weight == 0:
            return terms
        if progress.epoch <= int(self.config.mixup_pct * progress.max_epochs):
            return terms | {"m3co": self._m3co(scene)}
        return terms | {"multi_soft_clip": self._multi_soft_clip(scene)}

    def _vectors(self, batch: Batch) -> Views:
        """What the encoders take."""
        return _vectors(batch, self.names)

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

    def _label_mixed(self, scene: Scene) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropies of mixed examples with both labels, by what each classifier was mixed.

        The fused one keeps the mean of what its modalities keep.
        """
        config, batch, gather = self.config, scene.batch, scene.progress.gather
        chosen = self.names if config.label_mixup == "all" else (config.label_mixup,)
        share = 1.0 if self.training else 0.0
        (drawn,) = draw(batch.target, gather, count=1, beta=config.label_mixup_beta, share=share)
        mixup = Mixup(drawn.kept[:1].expand_as(drawn.kept), drawn.partners)
        own = positions(batch.rows, gather(batch.rows))
        mixed = self._mixed(dict.fromkeys(chosen, mixup), own, scene)
        logits = self._logits({**scene.views, **mixed})
        kept = {
            f"unimodal/{name}": mixup.kept[0] if name in chosen else torch.ones_like(mixup.kept[0])
            for name in self.names
        }
        kept[FUSED] = torch.stack(list(kept.values())).mean()
        first = self._entropies(logits, batch.target)
        second = self._entropies(logits, gather(batch.target)[mixup.partners][own])
        return {term: kept[term] * first[term] + (1 - kept[term]) * second[term] for term in logits}

    def _m3co(self, scene: Scene) -> Float[Tensor, ""]:
        """Weighted sum over the contrasted pairs; every modality has its own mixup."""
        config, batch, gather = self.config, scene.batch, scene.progress.gather
        drawn = draw(
            batch.target,
            gather,
            count=len(self.names),
            beta=config.mixup_beta,
            share=config.mixup_share if self.training else 0.0,
        )
        mixups = dict(zip(self.names, drawn, strict=True))
        whole = gather_together(_full(scene.views), gather)
        if config.mix_level == "embedding":
            mixed: Views = {name: mixups[name].of(whole[name]) for name in self.names}
        else:
            own = positions(batch.rows, gather(batch.rows))
            mixed = gather_together(_full(self._mixed(mixups, own, scene)), gather)
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

    def _mixed(
        self, mixups: Mapping[str, Mixup], own: Int[Tensor, " part"], scene: Scene
    ) -> dict[str, Float[Tensor, "part _width"]]:
        """Embeddings of this worker's part of the batch, mixed at the level that is asked for."""
        gather = scene.progress.gather
        at = {name: self._level(name, scene.progress.raw) for name in mixups}

        def mixed(level: str, before: Views) -> dict[str, Tensor]:
            chosen = {name: before[name] for name in mixups if at[name] == level}
            whole = gather_together(chosen, gather) if chosen else {}
            return {name: mixups[name].of(value)[own] for name, value in whole.items()}

        read = {name: mixup for name, mixup in mixups.items() if at[name] == "raw"}
        vectors = {**mixed("vector", scene.vectors), **_looked_at(read, own, scene)}
        return {**mixed("embedding", scene.views), **self._encode(vectors)}

    def _level(self, name: str, raw: Batch | None) -> Literal["embedding", "vector", "raw"]:
        """Where a modality is mixed; `raw` is what networks that learn along read, if any do."""
        if self.config.mix_level == "embedding":
            return "embedding"
        if raw is None or are_features(raw.inputs[name]):
            return "vector"
        return "embedding" if are_tokens(raw.inputs[name]) else "raw"

    def _multi_soft_clip(self, scene: Scene) -> Float[Tensor, ""]:
        """Weighted sum over the contrasted pairs."""
        config = self.config
        whole = gather_together(_full(scene.views), scene.progress.gather)
        with full_precision(whole[self.names[0]]):
            terms = [
                multi_soft_clip(whole[left], whole[right], temperature=config.soft_temperature)
                for left, right in links(self.names, pairs=config.pairs)
            ]
        return config.contrast_weight * torch.stack(terms).sum()

    def whole_batch_reason(self) -> str | None:
        """Contrast and mixup, where they are on."""
        if self.config.contrast_weight > 0:
            return "contrasts the examples of a batch"
        return "mixes the examples of a batch" if self.config.label_mixup != "off" else None

    def parameter_groups(self) -> list[ParameterGroup]:
        """`all`, and `text` for that modality's classifier where it learns at a rate of its own."""
        config = self.config
        text = self.unimodal[TEXT] if TEXT in self.unimodal and config.text_rate != 1 else None
        others = [module for module in self.unimodal.values() if module is not text]
        modules = [self.encoders, self.fusion, self.classifier, *others]
        rate, decay = config.learning_rate, config.weight_decay
        groups = [ParameterGroup("all", trained(modules), rate, decay)]
        if text is not None:
            groups.append(ParameterGroup(TEXT, trained([text]), config.text_rate * rate, decay))
        return groups


def _encoder(config: M3CoL.Config, width: int) -> Encoder:
    """Of one modality; its vector is a single step."""
    if config.encoder == "none":
        return FirstStep(width)
    return MLP(MLP.Config(features=config.features), width)


def _vectors(batch: Batch, names: Iterable[str]) -> Views:
    """The mean of each modality's steps."""
    return {name: mean_of_steps(batch.inputs[name], batch.lengths[name]) for name in names}


def _looked_at(mixups: Mapping[str, Mixup], own: Int[Tensor, " part"], scene: Scene) -> Views:
    """Vectors of images or sounds that were mixed before their networks saw them.

    A sound with another one in it is as long as the longer one.
    """
    raw, look, gather = scene.progress.raw, scene.progress.look, scene.progress.gather
    if not mixups or raw is None or look is None:
        return {}
    inputs: dict[str, Tensor] = {}
    lengths: dict[str, Tensor] = {}
    for name, mixup in mixups.items():
        inputs[name] = mixup.of(gather(raw.inputs[name].float()))[own]
        whole = gather(raw.lengths[name])
        longer = torch.maximum(whole, whole[mixup.partners])
        lengths[name] = torch.where(mixup.kept < 1, longer, whole)[own]
    return _vectors(look(replace(raw, inputs=inputs, lengths=lengths)), mixups)


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
    widths = set(task.modalities.values())
    if config.encoder == "none" and config.contrast_weight > 0 and len(widths) > 1:
        told = ", ".join(f"{name} {width}" for name, width in task.modalities.items())
        rule = f'"none" needs modalities of one width to contrast, {task.dataset} has {told}'
        problems.append(Problem("config.encoder", rule, 'Set encoder = "mlp".'))
    if problems:
        raise StudyError(problems)
