"""MIM: modalities purified step by step, and guided by whichever of them errs less.

Paper: Multimodal Information Modulation (MIM), with a unimodal purification network (UPN) and
knowledge guided by samples (KGS); code: zengy268/MIM, which is not complete.
Unusual: a gate opens or shuts each step of a modality. On vectors, which are sequences of one
step, the gate is trivial: it can only keep or drop a whole modality of an example.
Differs from the paper, whose text was not to be had, and from its code:
* Text features are given as a sequence, all of whose steps are used, so no BERT is trained, and
  what it says of a whole sentence (CLS) is not dropped. The published learning rate, 1e-5 for
  everything, is that of fine-tuning one; the default here is one that trains what is left.
* The code steps the UPN by one Adam on the masked and penalty terms, then all weights by another on
  the rest, whose gradient it takes through weights that have just moved; here both gradients are
  taken before either step. The masked and penalty terms see the UPN through a shadow of equal
  weights, a parameter group of its own; after each step the UPN is moved by both (see
  `losses.two_steps`). With `update` "one_step" Adam steps the UPN once, by the summed gradients,
  which works at every ZeRO stage.
* Its UPN is built for one number of steps; here scores are mixed on a grid (`StepScores`), and the
  ReLU in front of the mixture, under which 3 of 10 UPNs never learn, is a switch.
* Padding is left out of convolutions, attention, gates, means and the penalty, where the code takes
  it in: batches are cut to their longest example, on which no prediction may depend.
* Two to six modalities of any names, of which `text` alone has no transformer; for three the
  Adjuster and the distillation are the code's.
* The fusions are this project's, which project each modality first, unlike the code's product.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.encoders import (
    StepEncoder,
    StepEncoders,
    StepScores,
    TemporalConvolution,
    TemporalTransformer,
    mean_of_steps,
)
from mmsearch.errors import Problem, StudyError
from mmsearch.fusion import FusionConfig, Multiplicative
from mmsearch.fusion import build as build_fusion
from mmsearch.losses.distillation import from_the_best, from_the_better
from mmsearch.losses.hard_concrete import HardConcrete, uniform_noise
from mmsearch.losses.precision import full_precision
from mmsearch.losses.two_steps import flat_weights, merge
from mmsearch.methods.base import Method, MethodConfig, ParameterGroup, Progress, trained

TEXT = "text"
"""The modality whose steps come from a language model, and need no transformer of ours."""
REACH = 1
"""Neighbours on either side that a convolution sees."""


@dataclass(frozen=True)
class View:
    """One modality of a batch."""

    unmasked: Float[Tensor, "batch features"]
    """Mean over all steps, u_m."""
    purified: Float[Tensor, "batch features"]
    """Mean over all steps, those whose gate is shut counted as zeros, p_m."""
    confined: Float[Tensor, "batch features"]
    """The same as `purified`; its gradient reaches the UPN alone."""
    penalty: Float[Tensor, ""]
    """Expected share of open gates; its gradient reaches the UPN alone."""


class MIM(Method):
    """Regression from two to six modalities, sequences of any length."""

    class Config(MethodConfig):
        """Defaults: the released code's, learning rates excepted."""

        batch_size: int = Field(16, ge=1)
        """Examples per forward pass, over all workers of the gang."""
        learning_rate: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of encoders, heads and fusion; the code's is 1e-5, with a BERT."""
        learning_rate_upn: float = Field(1e-3, gt=0.0)
        """Adam's learning rate of the UPN, for each of its steps."""
        weight_decay: float = Field(0.0, ge=0.0)
        """Weight decay of all weights; in two steps it is in the second one."""
        update: Literal["two_steps", "one_step"] = "two_steps"
        """Whether the UPN's own terms (masked, penalty) step it by an Adam of their own, as in the
        code, at ZeRO stage 0 only; or together with all others, at any stage."""

        fusion: FusionConfig = Multiplicative.Config(features=80)
        """How the purified modalities are joined. After `concat` comes a layer with tanh, as in
        the code; after the others the prediction."""

        features: int = Field(80, ge=2)
        """Width d of every modality's steps; a multiple of `heads`."""
        layers: int = Field(3, ge=1)
        """Layers of the transformers."""
        heads: int = Field(5, ge=1)
        """Attention heads of the transformers."""
        dropout_attention: float = Field(0.5, ge=0.0, lt=1.0)
        """Dropout of attention's weights."""
        dropout_relu: float = Field(0.3, ge=0.0, lt=1.0)
        """Dropout inside the transformers' feed-forward parts."""
        dropout_residual: float = Field(0.3, ge=0.0, lt=1.0)
        """Dropout of what attention and feed-forward parts add."""
        dropout_embedding: float = Field(0.2, ge=0.0, lt=1.0)
        """Dropout in front of the transformers."""
        activation: Literal["tanh", "relu", "gelu"] = "tanh"
        """Applied to steps before their mean; the code's is not known."""

        gate_bias: float = 3.0
        """Added to the gates' logits (loc_bias): above 0 gates start out open."""
        gate_temperature: float = Field(1 / 3, gt=0.0)
        """Temperature of the gates."""
        gate_gamma: float = Field(-0.2, lt=0.0, ge=-1.0)
        """Lower end gamma of the stretched gates; their upper end zeta is 1."""
        gate_threshold: float = Field(0.6, gt=0.0, lt=1.0)
        """Gate value above which a gate counts as open."""
        gate_points: int = Field(50, ge=5)
        """Points T of the grid on which gate scores are mixed over time."""
        gate_relu: bool = False
        """Whether a step's score passes a ReLU before the mixture, as in the code; where scores
        start out negative the LSTM then never learns (3 of 10 initial weights)."""
        deterministic_eval: bool = True
        """Whether evaluation takes gates without noise; the code draws noise there too."""

        penalty_weight: float = Field(0.1, ge=0.0)
        """Weight p_w of the penalty on open gates; 0 leaves it out."""
        unmask_weight: float = Field(1.0, gt=0.0)
        """Weight of the unmasked modalities' losses, from which the unimodal heads learn."""
        mask_weight: float = Field(1.0, ge=0.0)
        """Weight of the purified modalities' losses, for the UPN alone; 0 leaves them out."""
        intra_weight: float = Field(1.0, ge=0.0)
        """Weight of KGS within modalities; 0 leaves it out."""
        inter_weight: float = Field(1.0, ge=0.0)
        """Weight of KGS between modalities; 0 leaves it out."""
        kgs_granularity: Literal["sample", "batch"] = "sample"
        """Whether who teaches is decided for each example, or for the batch by its mean errors,
        as the released code has it."""
        kd_temperature: float = Field(10.0, gt=0.0)
        """Temperature T of the distillation between modalities, times the teacher's alpha."""
        kd_divide_by_T: bool = False  # noqa: N815
        """Whether features are divided by T; the code only multiplies the term by its square."""

        @model_validator(mode="after")
        def _heads_divide_features(self) -> "MIM.Config":
            if self.features % self.heads:
                raise ValueError(
                    f"heads must divide features, got heads={self.heads}, features={self.features}"
                )
            return self

    upn_before: Tensor

    def __init__(self, config: Config, task: Task) -> None:
        super().__init__()
        _check(task)
        # Narrower than every method's, which is sound for what is set once and frozen.
        self.config: MIM.Config = config  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task = task
        self.names = tuple(task.modalities)
        self.encoders = nn.ModuleDict(
            {name: _encoder(config, name, width) for name, width in task.modalities.items()}
        )
        self.upn = nn.ModuleDict(
            {
                name: StepScores(config.features, points=config.gate_points, relu=config.gate_relu)
                for name in self.names
            }
        )
        self.upn_masked: nn.ModuleDict | None = None
        if config.update == "two_steps" and (config.mask_weight > 0 or config.penalty_weight > 0):
            self.upn_masked = deepcopy(self.upn)
            self.register_buffer("upn_before", flat_weights(self.upn))
        self.heads = nn.ModuleDict({name: Head(config.features) for name in self.names})
        self.fusion = build_fusion(config.fusion, dict.fromkeys(self.names, config.features))
        self.prediction = _prediction(config, self.fusion.out_features)
        self.gate = HardConcrete(
            bias=config.gate_bias,
            temperature=config.gate_temperature,
            gamma=config.gate_gamma,
            threshold=config.gate_threshold,
        )

    def forward(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Predictions from the fused purified modalities, in model units."""
        purified: dict[str, Tensor] = {}
        for name in self.names:
            lengths = batch.lengths[name]
            sequence = self.encoders[name](batch.inputs[name], lengths)
            noise = self._noise(sequence)
            purified[name], _ = self._purified(self.upn[name], sequence, lengths, noise)
        return self._fused(purified)

    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """L1 of the task and of each modality, unmasked and purified, penalties, and KGS.

        `masked/` and `penalty/` reach the weights of the UPN alone, all others every weight. All
        are means over this part of the batch: what is compared by the batch's means is gathered,
        the terms are not, so none is coupled.
        """
        config, target = self.config, batch.target
        views = {name: self._view(name, batch) for name in self.names}
        unmasked = {name: self._judged(name, view.unmasked) for name, view in views.items()}
        purified = {name: self._judged(name, view.purified) for name, view in views.items()}
        fused = self._fused({name: view.purified for name, view in views.items()})
        terms = {"task": (fused - target).abs().mean()}
        for name, view in views.items():
            error = (unmasked[name] - target).abs().mean()
            terms[f"unmasked/{name}"] = config.unmask_weight * error
            if config.mask_weight > 0:
                judged = self._judged(name, view.confined, learns=False)
                terms[f"masked/{name}"] = config.mask_weight * (judged - target).abs().mean()
            if config.penalty_weight > 0:
                terms[f"penalty/{name}"] = config.penalty_weight * view.penalty
        return terms | self._guidance(views, unmasked, purified, batch, progress)

    def _guidance(
        self,
        views: Mapping[str, View],
        unmasked: Mapping[str, Float[Tensor, " batch"]],
        purified: Mapping[str, Float[Tensor, " batch"]],
        batch: Batch,
        progress: Progress,
    ) -> dict[str, Float[Tensor, ""]]:
        """KGS: L_intra by modality and L_inter, from the errors that say who teaches."""
        config = self.config
        terms: dict[str, Tensor] = {}
        if config.intra_weight == 0 and config.inter_weight == 0:
            return terms
        predictions = [torch.stack(list(values.values())) for values in (unmasked, purified)]
        errors = (torch.stack(predictions).detach() - batch.target).abs()
        if config.kgs_granularity == "batch":
            errors = progress.gather(errors.permute(2, 0, 1).contiguous()).mean(dim=0)
        if config.intra_weight > 0:
            for index, name in enumerate(self.names):
                pair = unmasked[name], purified[name]
                value = from_the_better(pair, (errors[0, index], errors[1, index]))
                terms[f"intra/{name}"] = config.intra_weight * value
        if config.inter_weight > 0:
            features = torch.stack([views[name].purified.float() for name in self.names])
            with full_precision(features):
                value = from_the_best(
                    features,
                    errors[1],
                    temperature=config.kd_temperature,
                    divide=config.kd_divide_by_T,
                )
            terms["inter"] = config.inter_weight * value
        return terms

    def _view(self, name: str, batch: Batch) -> View:
        """One modality's vectors, and what its UPN makes of them.

        The UPN sees every sequence twice, under the same noise: once as it is, and once cut off
        from the encoder for the terms that are for the UPN alone, by its shadow if there is one.
        """
        lengths = batch.lengths[name]
        attached = self.encoders[name](batch.inputs[name], lengths)
        detached, noise = attached.detach(), self._noise(attached)
        if self.upn_masked is not None:
            purified, _ = self._purified(self.upn[name], attached, lengths, noise)
            confined, shares = self._purified(self.upn_masked[name], detached, lengths, noise)
        else:
            both, repeated = torch.cat([attached, detached]), lengths.repeat(2)
            noises = None if noise is None else noise.repeat(2, 1)
            vectors, open_shares = self._purified(self.upn[name], both, repeated, noises)
            purified, confined = vectors.chunk(2)
            shares = open_shares.chunk(2)[1]
        unmasked = mean_of_steps(self._activated(attached), lengths)
        return View(unmasked, purified, confined, shares.mean())

    def _purified(
        self,
        upn: nn.Module,
        sequence: Float[Tensor, "batch steps features"],
        lengths: Int[Tensor, " batch"],
        noise: Float[Tensor, "batch steps"] | None,
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, " batch"]]:
        """Vectors behind the gates, and each example's expected share of open ones."""
        scores = upn(sequence, lengths).float()
        with full_precision(scores):
            gates = self.gate.gates(scores, noise)
            chances = self.gate.open_probability(scores)
        gated = self._activated(gates.to(sequence.dtype).unsqueeze(2) * sequence)
        shares = mean_of_steps(chances.unsqueeze(2), lengths).squeeze(1)
        return mean_of_steps(gated, lengths), shares

    def _noise(
        self, sequence: Float[Tensor, "batch steps features"]
    ) -> Float[Tensor, "batch steps"] | None:
        """Noise of the gates while training, and elsewhere if asked for."""
        if self.training or not self.config.deterministic_eval:
            return uniform_noise(sequence.new_empty(sequence.shape[:2], dtype=torch.float32))
        return None

    def _activated(
        self, sequence: Float[Tensor, "batch steps features"]
    ) -> Float[Tensor, "batch steps features"]:
        activations = {"tanh": torch.tanh, "relu": torch.relu, "gelu": nn.functional.gelu}
        return activations[self.config.activation](sequence)

    def _judged(
        self, name: str, features: Float[Tensor, "batch features"], *, learns: bool = True
    ) -> Float[Tensor, " batch"]:
        """What the modality's head predicts from its unmasked or purified features."""
        return self.heads[name](features, learns=learns).float()

    def _fused(
        self, purified: Mapping[str, Float[Tensor, "batch features"]]
    ) -> Float[Tensor, " batch"]:
        return self.prediction(self.fusion(purified)).squeeze(1).float()

    def parameter_groups(self) -> list[ParameterGroup]:
        """`upn`, its shadow `upn_masked` if there is one, and `other`."""
        config, rate = self.config, self.config.learning_rate_upn
        groups = [ParameterGroup("upn", trained([self.upn]), rate, config.weight_decay)]
        if self.upn_masked is not None:
            groups.append(ParameterGroup("upn_masked", trained([self.upn_masked]), rate))
        others = trained([self.encoders, self.heads, self.fusion, self.prediction])
        return [*groups, ParameterGroup("other", others, config.learning_rate, config.weight_decay)]

    def after_step(self) -> None:
        """Moves the UPN by both of its steps, and its shadow with it."""
        if self.upn_masked is not None:
            merge(self.upn, self.upn_masked, self.upn_before)

    def stage_0_reason(self) -> str | None:
        """Two steps, even where weights of 0 leave but one: trials of a study are trained alike."""
        two = self.config.update == "two_steps"
        return 'steps its UPN twice a batch (update = "two_steps")' if two else None

    def whole_batch_reason(self) -> str | None:
        """Who teaches, if that is decided for a batch."""
        config = self.config
        guided = config.intra_weight > 0 or config.inter_weight > 0
        if config.kgs_granularity == "batch" and guided:
            return 'compares the mean errors of a batch (kgs_granularity = "batch")'
        return None


class Head(nn.Module):
    """One modality's linear prediction."""

    def __init__(self, features: int) -> None:
        super().__init__()
        linear = nn.Linear(features, 1)
        self.weight, self.bias = linear.weight, linear.bias

    def forward(
        self, features: Float[Tensor, "batch features"], *, learns: bool = True
    ) -> Float[Tensor, " batch"]:
        """The prediction; unless it `learns`, its gradient goes to the features alone."""
        weight, bias = self.weight, self.bias
        if not learns:
            weight, bias = weight.detach(), bias.detach()
        return nn.functional.linear(features, weight, bias).squeeze(1)


def _check(task: Task) -> None:
    """Raises StudyError for a task that is no regression."""
    if task.loss_family != "regression":
        rule = f"mim predicts a number; {task.dataset} has {len(task.classes)} classes"
        raise StudyError(Problem("dataset", rule, "Choose another dataset or method."))


def _encoder(config: MIM.Config, name: str, in_features: int) -> StepEncoder:
    convolution = TemporalConvolution(
        TemporalConvolution.Config(features=config.features, reach=REACH), in_features
    )
    if name == TEXT:
        return convolution
    transformer = TemporalTransformer.Config(
        features=config.features,
        layers=config.layers,
        heads=config.heads,
        attention_dropout=config.dropout_attention,
        relu_dropout=config.dropout_relu,
        residual_dropout=config.dropout_residual,
        embedding_dropout=config.dropout_embedding,
    )
    return StepEncoders(convolution, TemporalTransformer(transformer))


def _prediction(config: MIM.Config, fused: int) -> nn.Module:
    """From the fused vector to one number; the code's concatenation has a layer in between."""
    if config.fusion.kind != "concat":
        return nn.Linear(fused, 1)
    return nn.Sequential(
        nn.Linear(fused, config.features), nn.Tanh(), nn.Linear(config.features, 1)
    )
