"""A study as data: method, dataset, objective, budget, scheduler, sampler, resources, space."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from mmsearch.space import Choice, Primitive, Space
from mmsearch.trial import Direction, Observation, Scalar

COST = "train/seconds"
"""Seconds of training so far, which a search may seek to keep low beside its objective."""


@dataclass(frozen=True)
class Objective:
    """The metric that the sampler is given."""

    metric: str
    """`valid/<name>`."""
    direction: Direction
    epoch: Literal["best", "last"] = "best"
    """A trial's value at a fidelity: that of its best epoch so far, or of the last."""

    def better(self, left: float, right: float) -> bool:
        """Whether `left` is strictly better than `right`."""
        return left < right if self.direction == "minimize" else left > right

    def at(self, observations: tuple[Observation, ...], epoch: int) -> tuple[float, int] | None:
        """Value and the epoch it comes from, over observations up to this epoch; None if none.

        Of equal epochs the first counts as best.
        """
        seen = [(o.metrics[self.metric], o.epoch) for o in observations if o.epoch <= epoch]
        if not seen:
            return None
        if self.epoch == "last":
            return seen[-1]
        sign = 1.0 if self.direction == "minimize" else -1.0
        return min(seen, key=lambda pair: (sign * pair[0], pair[1]))


@dataclass(frozen=True)
class Budget:
    """What the study may spend."""

    trials: int
    max_epochs: int
    """Full fidelity: epochs of training of a completed trial."""
    gpu_hours: float | None = None
    wall_hours: float | None = None


@dataclass(frozen=True)
class Scheduler:
    """Which trials go on: successive halving, with or without taking trials up again, or all."""

    kind: Literal["promotion", "halving", "none"] = "promotion"
    first_rung: int = 3
    """Epochs of the first comparison."""
    reduction: int = 3
    """One in this many trials of a rung goes on."""

    def rungs(self, max_epochs: int) -> tuple[int, ...]:
        """Epochs of the rungs below full fidelity: first_rung * reduction**k < max_epochs."""
        if self.kind == "none":
            return ()
        rungs: list[int] = []
        rung = self.first_rung
        while rung < max_epochs:
            rungs.append(rung)
            rung *= self.reduction
        return tuple(rungs)


@dataclass(frozen=True)
class Sampler:
    """Who proposes configurations."""

    kind: Literal["ladder", "tpe", "gp", "random"] = "ladder"


@dataclass(frozen=True)
class Resources:
    """What one trial is trained on, and how many trials at a time."""

    workers: int = 1
    """Processes that train one trial together."""
    gpus_per_worker: float | None = None
    """May be a fraction: several trials then share a GPU. None takes one where there are GPUs."""
    concurrent: int | None = None
    """Trials at a time; None takes as many as the machines hold."""
    placement: Literal["pack", "spread"] = "pack"
    """Whether a trial's workers share as few nodes as they can, or as many."""


@dataclass(frozen=True)
class Study:
    """One search, checked and resolved."""

    name: str
    method: str
    dataset: str
    seed: int
    objective: Objective
    budget: Budget
    space: Space
    published: Mapping[str, Any]
    """The paper's configuration, complete: `Config` defaults with `[published]` over them. What
    the space does not name is as published in every trial."""
    text: str
    """Resolved study file, canonical TOML: overrides applied, every default written out."""
    scheduler: Scheduler = Scheduler()
    sampler: Sampler = Sampler()
    first: tuple[Mapping[str, Any], ...] = ()
    """Complete configurations that are tried right after the published one."""
    others: tuple[Objective, ...] = ()
    """What is sought besides the objective, which leads: a trial's value is the objective's alone,
    and the others count at the epoch that the value comes from."""
    resources: Resources = Resources()
    deepspeed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Passed to DeepSpeed as it is, under its own names."""
    data: Path | None = None
    """Folder of the dataset's files; None is where `datasets` finds them by itself."""

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved text."""
        return sha256(self.text.encode()).hexdigest()

    def configuration(self, assignment: Mapping[str, Any]) -> dict[str, Any]:
        """Complete configuration of a trial: `published` with the space's assignment over it.

        What an arm does not search is as published in the published arm, at its default in others.
        """
        return {**self.published, **assignment}

    def variants(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The published configuration with one choice or arm changed: what changed, and all of it.

        Parameters of an arm that comes alive have their first value, or the low end of their range.
        """
        published = self.space.primitives(self.published)
        for name, (primitive, answer) in published.items():
            others = primitive.values if isinstance(primitive, Choice) else ()
            for value in others:
                if value != answer and name in self.space.parameters:
                    answers = {key: old for key, (_, old) in published.items()} | {name: value}
                    ask = partial(_answer, answers)
                    yield f"{name} = {value}", self.configuration(self.space.assign(ask))

    def coordinates(self, config: Mapping[str, Any]) -> dict[str, Scalar]:
        """The searched part of a configuration, flat, by parameter name."""
        return self.space.flatten(config)


def _answer(answers: Mapping[str, Scalar], name: str, primitive: Primitive) -> Scalar:
    if name in answers:
        return answers[name]
    return primitive.values[0] if isinstance(primitive, Choice) else primitive.low
