"""Learning-rate schedules: what the rates of all parameter groups are multiplied by, by epoch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Schedule(BaseModel):
    """Settings of one schedule."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Constant(Schedule):
    """The rates stay."""

    kind: Literal["constant"] = "constant"


class Step(Schedule):
    """The rates fall after every so many epochs (torch's StepLR)."""

    kind: Literal["step"] = "step"
    every: int = Field(default=10, ge=1)
    """Epochs between two falls."""
    factor: float = Field(default=0.2, gt=0.0, lt=1.0)
    """What the rates are multiplied by each time."""


class Plateau(Schedule):
    """The rates fall when a value no longer improves (torch's ReduceLROnPlateau)."""

    kind: Literal["plateau"] = "plateau"
    watch: Literal["train", "valid"] = "valid"
    """The value: the training loss, or the study's objective."""
    patience: int = Field(default=1, ge=0)
    """Epochs without improvement that are borne before a fall."""
    factor: float = Field(default=0.2, gt=0.0, lt=1.0)
    """What the rates are multiplied by each time."""


LrSchedule = Annotated[Constant | Step | Plateau, Field(discriminator="kind")]
