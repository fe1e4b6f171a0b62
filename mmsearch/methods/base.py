"""What every method is: a configuration, modules, named loss terms, and memories it may keep.

The method owns what is learned; the training room owns loop, precision, accumulation, ZeRO,
clipping, checkpoints, evaluation and reporting.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mmsearch.backbones.settings import AudioBackbone, Given, TextBackbone, VisionBackbone
from mmsearch.batch import Batch
from mmsearch.datasets.task import Task
from mmsearch.errors import Problem, StudyError
from mmsearch.methods.lr_schedule import Constant, LrSchedule

Gather = Callable[[Tensor], Tensor]
Look = Callable[[Batch], Batch]


def alone(value: Tensor) -> Tensor:
    """The `gather` of a gang of one worker."""
    return value


class MethodConfig(BaseModel):
    """A method's complete configuration: strict, frozen, no unknown keys.

    Its fields are the schema of `[published]` and `[space]` in study files.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    batch_size: int = Field(32, ge=1)
    """Examples per forward pass, over all workers of the gang."""
    accumulation: int = Field(1, ge=1)
    """Batches whose gradients are summed (not averaged) before an optimiser step."""
    accumulation_tail: Literal["step", "drop"] = "step"
    """What an incomplete group of batches at the end of an epoch does: a step, or nothing."""
    gradient_clipping: float = Field(0.0, ge=0.0)
    """Largest gradient norm; 0 clips nothing."""
    patience: int = Field(0, ge=0)
    """Epochs without improvement of the objective after which a trial is completed; 0 is never."""
    reload_best: bool = False
    """Whether training goes on from the best epoch's weights after one that is no better, with
    Adam's moments as they are; M3CoL's code for images and text does so."""
    lr_schedule: LrSchedule = Constant()
    """How the learning rates of all parameter groups change from epoch to epoch."""
    text_backbone: TextBackbone = Given()
    """What reads the modality `text` where it is raw; the method gets the features."""
    vision_backbone: VisionBackbone = Given()
    """What reads the modality `vision` where it is images; the method gets the features."""
    audio_backbone: AudioBackbone = Given()
    """What reads the modality `audio` where it is sounds; the method gets the features."""


@dataclass(frozen=True)
class Progress:
    """Where in training a batch stands, and how to reach the other workers' part of it."""

    epoch: int
    """1-based."""
    max_epochs: int
    phase: str = "main"
    gather: Gather = alone
    """Concatenates a tensor over the gang's workers along dimension 0, differentiably: what the
    terms in `Method.coupled_terms` and label memories must see is the whole batch."""
    raw: Batch | None = None
    """The batch as it was before networks that learn along; None where there are none."""
    look: Look | None = None
    """Takes a batch like `raw` through those networks: for methods that alter what they read."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate and a weight decay under Adam (L2, not decoupled)."""

    name: str
    """Its learning rate is the curve `train/lr/<name>`."""
    parameters: Sequence[nn.Parameter]
    learning_rate: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Phase:
    """One pass over the epoch's batches that trains some of the parameter groups.

    While it runs only its own groups take gradients. Methods with more than one phase train at
    ZeRO stage 0 only.
    """

    name: str
    groups: tuple[str, ...]
    """Names of the parameter groups that this phase steps."""
    share: float = 1.0
    """Share of the epoch's batches that it sees, from the first; in (0, 1]."""


class Method(nn.Module, ABC):
    """One paper's method. Built from a configuration and a task, nothing else."""

    Config: ClassVar[type[MethodConfig]]
    coupled_terms: ClassVar[frozenset[str]] = frozenset()
    """Loss terms whose value depends on the batch as a whole (contrast, covariance): computed on
    gathered tensors, they are equal on every worker."""
    fixed_weights: ClassVar[tuple[str, ...]] = ()
    """Prefixes of parameter names that are never trained."""
    plans_ahead: ClassVar[bool] = False
    """Whether training depends on `progress.max_epochs`: a trial of more epochs is then another
    one from the first epoch on, and what was trained for fewer cannot be trained on."""

    config: MethodConfig
    task: Task

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Predictions in model units, or logits: what evaluation uses."""

    @abstractmethod
    def losses(self, batch: Batch, progress: Progress) -> dict[str, Float[Tensor, ""]]:
        """Named terms of this batch, each with its weight; training minimises their sum."""

    def after_backward(self, batch: Batch, progress: Progress) -> None:
        """Updates memories that follow the gradient, before the optimiser steps."""

    def after_step(self) -> None:
        """Called after each step that was applied, without gradients; may change weights."""

    @abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """Every trained parameter, once."""

    def phases(self) -> tuple[Phase, ...]:
        """Passes of one epoch, in order."""
        return (Phase("main", tuple(group.name for group in self.parameter_groups())),)

    def stage_0_reason(self) -> str | None:
        """What this method, as configured, does that only ZeRO stage 0 can train; None if nothing.

        Above it weights are copies of what the optimiser holds, a part on each worker, so that
        what `after_step` writes is overwritten by the next step. The end of a sentence that
        begins with the method's name.
        """
        if len(self.phases()) > 1:
            return "trains in several phases"
        if type(self).after_step is not Method.after_step:
            return "changes weights after each step"
        return None

    def whole_batch_reason(self) -> str | None:
        """What this method, as configured, does that needs a batch in one piece; None if nothing.

        None promises that each term is a mean over examples, each of which counts by itself, or
        knows nothing of them, and that they share no memory and no random draw. Training may then
        take a batch piece by piece where memory is short; else it never does. The end of a sentence
        that begins with the method's name.
        """
        return "has not said that it can do without"


def trained(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    """Parameters of these modules that take gradients."""
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def require(
    task: Task,
    *,
    method: str,
    family: Literal["regression", "classification"] | None = None,
    names: Sequence[str] = (),
    most: Literal[3, 6] = 6,
) -> None:
    """Whether a task is one that a method takes.

    Args:
        task: what the method is asked to learn.
        method: its name.
        family: what it predicts; None is either.
        names: the modalities that it knows, of which it takes two or more; empty is any.
        most: how many modalities it takes.

    Raises:
        StudyError: the task is of another family, or has other modalities, or one, or too many.
    """
    problems: list[Problem] = []
    way_out = "Choose another dataset or method."
    if family and task.loss_family != family:
        rule = f"{method} takes {family}s, and {task.dataset} is a {task.loss_family}"
        problems.append(Problem("dataset", rule, way_out))
    known = not names or set(task.modalities) <= set(names)
    if not known or not 2 <= len(task.modalities) <= most:
        found = ", ".join(task.modalities) or "none"
        numbers = "two or three" if most == 3 else "two to six"
        kinds = f"of {', '.join(names)}" if names else "modalities"
        rule = f"{method} takes {numbers} {kinds}; {task.dataset} has {found}"
        problems.append(Problem("dataset", rule, way_out))
    if problems:
        raise StudyError(problems)
