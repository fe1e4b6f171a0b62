"""The layout of a study file as pydantic models: tables, keys, types, bounds and defaults.

Unusual: the string under a field is printed when its value is wrong, so each one is a full sentence
that tells a user what to write.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mmsearch.study.model import COST
from mmsearch.trial import Direction


def _seen_by_a_search(metric: str) -> str:
    if metric.startswith("test/"):
        raise PydanticCustomError("metric", "the test split is out of reach of a search")
    if not metric.startswith("valid/") or metric == "valid/":
        raise PydanticCustomError("metric", "must be valid/<metric>")
    return metric


def _sought_beside(metric: str) -> str:
    return metric if metric == COST else _seen_by_a_search(metric)


class _Table(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class ObjectiveTable(_Table):
    """`[objective]`."""

    metric: Annotated[str, AfterValidator(_seen_by_a_search)] = Field(examples=["valid/mae"])
    """Use a metric of the validation split, such as valid/mae."""
    direction: Direction = Field(examples=["minimize"])
    """Say whether lower or higher is better."""
    epoch: Literal["best", "last"] = "best"
    """A trial counts by its best epoch so far, or by its last."""
    others: dict[Annotated[str, AfterValidator(_sought_beside)], Direction] | None = None
    """Other metrics that are sought besides, each with minimize or maximize."""


class BudgetTable(_Table):
    """`[budget]`."""

    trials: int = Field(ge=1, examples=[200])
    """Trials are counted with the published one."""
    max_epochs: int = Field(ge=1, examples=[40])
    """A completed trial has trained for this many epochs."""
    gpu_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The study proposes nothing after this many GPU-hours; leave it out for no limit."""
    wall_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The study proposes nothing after this many hours; leave it out for no limit."""


class SchedulerTable(_Table):
    """`[scheduler]`."""

    kind: Literal["promotion", "halving", "none"] = "promotion"
    """Use promotion to pause trials early, halving to stop them, none to train all in full."""
    first_rung: int = Field(default=3, ge=1)
    """Trials are first compared after this many epochs."""
    reduction: int = Field(default=3, ge=2)
    """One in this many trials of a rung goes on."""


class SamplerTable(_Table):
    """`[sampler]`."""

    kind: Literal["ladder", "tpe", "gp", "random"] = "ladder"
    """The sampler proposes configurations."""


class ResourcesTable(_Table):
    """`[resources]`."""

    workers: int = Field(default=1, ge=1)
    """So many processes train one trial together."""
    gpus_per_worker: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Parts of a GPU are fine and 0 is none; left out, a worker takes one where there are any."""
    concurrent: int | None = Field(default=None, ge=1)
    """So many trials run at a time; left out, as many as the machines hold."""
    placement: Literal["pack", "spread"] = "pack"
    """Use pack for a trial's workers on as few machines as possible, spread for as many."""


class StudyFile(_Table):
    """A whole study file; what its open tables hold is the method's or the engine's."""

    method: str = Field(examples=["selfmi"])
    """The method is a file's name in mmsearch/methods."""
    dataset: str = Field(examples=["mosei922"])
    """The dataset is a file's name in mmsearch/datasets."""
    seed: int = Field(default=0, ge=0)
    """The seed is the root of every random stream."""
    data: str | None = None
    """The folder holds the dataset's files; left out, datasets finds them."""
    objective: ObjectiveTable
    """The table says what is sought: metric and direction."""
    budget: BudgetTable
    """The table says what the study may spend: trials and max_epochs."""
    scheduler: SchedulerTable = SchedulerTable()
    """The table says which trials go on."""
    sampler: SamplerTable = SamplerTable()
    """The table says who proposes configurations."""
    resources: ResourcesTable = ResourcesTable()
    """The table says what a trial is trained on."""
    published: dict[str, Any] = Field(default_factory=dict)
    """The table holds the paper's row; what it leaves out is as the method's defaults."""
    first: list[dict[str, Any]] | None = None
    """The tables are configurations to try first; what one leaves out is as published."""
    space: dict[str, Any]
    """The table says which values each parameter may take."""
    deepspeed: dict[str, Any] = Field(default_factory=dict)
    """The table is passed to DeepSpeed as it is."""


_KEYS = ("method", "dataset", "seed", "data")
TABLES = tuple(name for name in StudyFile.model_fields if name not in _KEYS)


def where(place: str, path: tuple[str, ...]) -> str:
    """How messages name a key: `study.toml [budget] trials`, `study.toml seed`."""
    path = tuple(part for part in path if part != "[key]")  # pydantic: the key itself is wrong
    if path and path[0] in TABLES:
        return f"{place} [{path[0]}] {'.'.join(path[1:])}".rstrip()
    return f"{place} {'.'.join(path)}".rstrip()
