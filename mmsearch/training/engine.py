"""DeepSpeed engines over one method: one for each phase of its training.

Unusual: an engine wraps `Learner`, not the method, because losses must be computed inside the
engine's forward pass: its hooks fetch the weights of ZeRO stage 3 and find the loss to scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmsearch.batch import Batch
from mmsearch.errors import TrainingError
from mmsearch.methods.base import Method, Phase, Progress
from mmsearch.study import Study
from mmsearch.training import settings
from mmsearch.training.front import Front
from mmsearch.training.optimizer import adam, trained_groups
from mmsearch.training.worker import Worker


class Learner(nn.Module):
    """A method's loss or prediction as one forward pass, the only kind that an engine has."""

    def __init__(self, method: Method, backbones: Front) -> None:
        super().__init__()
        self.method = method
        self.backbones = backbones
        self.terms: tuple[str, ...] = ()
        """Names of the last batch's loss terms."""
        self.seen: Batch | None = None
        """The last batch that was trained on, as the method saw it."""

    def forward(
        self, batch: Batch, progress: Progress | None = None, weight: float = 1.0
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " terms"]] | Float[Tensor, "batch ..."]:
        """Loss and its terms, detached, in the order of `terms`; without `progress` predictions.

        Args:
            batch: this worker's part of a global batch.
            progress: where in training the batch stands.
            weight: what terms that are means over examples are multiplied by (`Share.weight`).
        """
        seen = self.backbones(batch)
        if progress is None:
            return self.method(seen)
        if seen is not batch:
            progress = replace(progress, raw=batch, look=self.backbones)
        self.seen = seen
        losses = self.method.losses(seen, progress)
        self.terms = tuple(losses)
        whole = self.method.coupled_terms if weight != 1.0 else losses.keys()
        terms = torch.stack(
            [v.float() if name in whole else v.float() * weight for name, v in losses.items()]
        )
        return terms.sum(), terms.detach()


@dataclass(frozen=True)
class Pass:
    """One phase of an epoch, and the engine that steps its weights."""

    phase: Phase
    engine: Any
    """A `DeepSpeedEngine` over the same `Learner` as those of the other phases."""
    groups: tuple[str, ...]
    """Names of the parameter groups, in the optimiser's order."""
    base_rates: tuple[float, ...]
    """Their learning rates before any schedule."""
    parameters: frozenset[nn.Parameter]
    """What it trains; nothing else takes gradients while it runs."""

    def rates(self) -> dict[str, float]:
        """Learning rate of each group."""
        tables = self.engine.optimizer.param_groups
        return {name: float(t["lr"]) for name, t in zip(self.groups, tables, strict=True)}


@dataclass(frozen=True)
class Engines:
    """Everything that trains one method on one worker."""

    learner: Learner
    passes: tuple[Pass, ...]
    worker: Worker
    stage: int
    """ZeRO stage."""
    dtype: torch.dtype
    """Of weights and inputs."""

    @property
    def method(self) -> Method:
        """What is trained."""
        return self.learner.method

    def take(self, split: Batch, rows: Int[Tensor, " rows"]) -> Batch:
        """Examples of a split as the forward pass wants them."""
        return split.take(rows).to(self.worker.device, self.dtype)

    def predict(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Predictions in model units, or logits; float32."""
        return self.passes[0].engine(batch).float()

    def destroy(self) -> None:
        """Takes DeepSpeed's hooks and caches off; its cycles are left to the next collection."""
        for one in self.passes:
            one.engine.destroy()
        if self.stage == 3:
            _forget_modules()


def build(study: Study, method: Method, backbones: Front, worker: Worker) -> Engines:
    """One engine for each phase of the method, over one `Learner`.

    Networks that learn along do so in the last phase.

    Raises:
        TrainingError: a precision that the device has not, or a method that the ZeRO stage cannot
            train.
    """
    problems = [
        *settings.stage_problems(study, method),
        *settings.precision_problems(study, worker.device),
    ]
    if problems:
        raise TrainingError(problems)
    learner = Learner(method, backbones).to(worker.device)
    groups = {group.name: group for group in trained_groups(method)}
    under = backbones.parameter_groups()
    config = method.config
    table = settings.settings(study, config, worker)
    clipping = config.gradient_clipping if settings.stage(study) == 0 else None
    passes: list[Pass] = []
    phases = method.phases()
    for phase in phases:
        chosen = [groups[name] for name in phase.groups if name in groups]
        chosen += under if phase is phases[-1] else []
        optimizer = adam(chosen, normed_clipping=clipping)
        passes.append(
            Pass(
                phase,
                _initialize(learner, optimizer, table, alone=worker.world_size == 1),
                tuple(group.name for group in chosen),
                tuple(group.learning_rate for group in chosen),
                frozenset(p for group in chosen for p in group.parameters),
            )
        )
    return Engines(learner, tuple(passes), worker, settings.stage(study), settings.dtype(study))


def _initialize(
    learner: Learner, optimizer: torch.optim.Optimizer, table: dict[str, Any], *, alone: bool
) -> Any:
    import deepspeed

    memories = {name: buffer.dtype for name, buffer in learner.named_buffers()}
    engine, *_ = deepspeed.initialize(
        model=learner, optimizer=optimizer, config=dict(table), dist_init_required=False
    )
    _restore(learner, memories)
    if alone and engine.zero_optimization_stage() == 0:
        # It would flatten all gradients, reduce them over one worker, and copy them back.
        engine.enable_backward_allreduce = False
    if engine.zero_optimization_partition_weights():
        # Weights that the method holds itself are used by `losses`, which no hook precedes.
        for parameter in learner.method.parameters(recurse=False):
            deepspeed.zero.register_external_parameter(learner, parameter)
    return engine


def _restore(module: nn.Module, memories: Mapping[str, torch.dtype]) -> None:
    """Gives buffers back the type they had: half precision is for weights and activations."""
    for name, buffer in module.named_buffers():
        if buffer.dtype != memories[name]:
            owner, _, own = name.rpartition(".")
            setattr(module.get_submodule(owner), own, buffer.to(memories[name]))


def _forget_modules() -> None:
    """Empties two places where DeepSpeed 0.19 keeps every module of stage 3, weights and all."""
    from deepspeed.runtime.zero import parameter_offload
    from deepspeed.runtime.zero.partitioned_param_coordinator import (
        PartitionedParameterCoordinator as Coordinator,
    )

    parameter_offload.FWD_MODULE_STACK.clear()
    cached = vars(Coordinator).get("_PartitionedParameterCoordinator__params_to_release")
    for cell in getattr(cached, "__closure__", None) or ():
        if hasattr(cell.cell_contents, "cache_clear"):
            cell.cell_contents.cache_clear()
