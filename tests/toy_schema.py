"""A method's `Config` in small, with every type of field that a study can meet, and a study."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mmsearch.errors import Problem, StudyError, closest


class Strict(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class Concat(Strict):
    kind: Literal["concat"] = "concat"


class LowRank(Strict):
    kind: Literal["low_rank"] = "low_rank"
    rank: int = Field(8, ge=1)
    """Terms of the factorisation."""
    features: int = Field(64, ge=1, le=256)


class Attention(Strict):
    kind: Literal["attention"] = "attention"
    heads: int = Field(ge=1)
    width: int = Field(64, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads}, {self.width}")
        return self


class Stack(Strict):
    kind: Literal["stack"] = "stack"
    first: Annotated[Concat | LowRank, Field(discriminator="kind")] = Concat()


class Config(Strict):
    rate: float = Field(1e-3, gt=0, le=1)
    """Adam's learning rate."""
    weight: float = Field(0.1, ge=0)
    """Weight of the second term."""
    power: float = Field(2.0, ge=1.0)
    width: int = Field(32, ge=1, le=512)
    """Hidden width."""
    layers: Literal[1, 2] = 1
    estimator: Literal["cpc", "mmilb", "none"] = "cpc"
    flag: bool = True
    limit: float | None = None
    fusion: Annotated[Concat | LowRank | Attention | Stack, Field(discriminator="kind")] = Concat()


STUDY = """
method  = "toy"
dataset = "toys"

[objective]
metric    = "valid/mae"
direction = "minimize"

[budget]
trials     = 20
max_epochs = 27

[published]
rate = 5e-5

[space]
rate = { log_uniform = [1e-6, 1e-3] }

[space.fusion]
concat   = {}
low_rank = { rank = { int_uniform = [2, 16] } }
"""
"""A right study file for it."""


def schema_of(method: str) -> type[BaseModel]:
    if method != "toy":
        rule = f"no method is called {method!r}"
        raise StudyError(Problem("method", rule, closest(method, ["toy"])))
    return Config
