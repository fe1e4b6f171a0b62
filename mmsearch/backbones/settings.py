"""What reads a raw modality: nothing, a network that stays as it is, or one that learns along.

Unusual: each choice is an arm of a field of every method's `Config`, so that the network, what is
taken of it and its rates are searched, published and recorded like everything else.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Output = Literal["first", "mean", "steps", "rest"]


class Backbone(BaseModel):
    """Settings of what reads one modality."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Given(Backbone):
    """No network: the modality comes as features."""

    kind: Literal["given"] = "given"


class Reader(Backbone):
    """Settings of any network."""

    model: str = Field(min_length=1)
    """A folder that transformers wrote, the name of a model on the Hugging Face hub, or
    efficientnet-lite0, 1 or 2 for images."""
    output: Output = "first"
    """What is taken of the last layer: its `first` step (CLS), the `mean` of its steps, all
    `steps`, or the `rest` of them without the first."""


class Learning(Backbone):
    """Settings of a network that learns along."""

    learning_rate: float = Field(default=2e-5, gt=0.0)
    """Adam's learning rate of the network."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """Weight decay of the network."""
    decay_all: bool = False
    """Whether biases and weights of normalisations decay too."""


class Text(Reader):
    """Settings of a network that reads text."""

    model: str = Field(default="bert-base-uncased", min_length=1)
    """A folder that transformers wrote, or the name of a model on the Hugging Face hub."""
    max_tokens: int = Field(default=128, ge=2)
    """Longer texts are cut off there."""


class Images(Reader):
    """Settings of a network that looks at images."""

    model: str = Field(default="google/vit-base-patch16-224", min_length=1)
    """A folder that transformers wrote, the name of a model on the Hugging Face hub, or
    efficientnet-lite0, efficientnet-lite1 or efficientnet-lite2."""


class Sounds(Reader):
    """Settings of a network that hears sounds."""

    model: str = Field(default="facebook/wav2vec2-base", min_length=1)
    """A folder that transformers wrote, or the name of a model on the Hugging Face hub."""
    output: Output = "mean"
    """What is taken of the last layer: the `mean` of its steps or all `steps`; it has no CLS."""
    max_seconds: float = Field(default=10.0, ge=0.1)
    """Longer sounds are cut off there."""


class FrozenText(Text):
    """A text network that stays as it is: features are computed once and kept."""

    kind: Literal["frozen"] = "frozen"


class FineTunedText(Text, Learning):
    """A text network that learns along."""

    kind: Literal["fine_tuned"] = "fine_tuned"


class FrozenImages(Images):
    """An image network that stays as it is: features are computed once and kept."""

    kind: Literal["frozen"] = "frozen"


class FineTunedImages(Images, Learning):
    """An image network that learns along; batch normalisations keep their statistics."""

    kind: Literal["fine_tuned"] = "fine_tuned"
    horizontal_flip: bool = False
    """Whether half of the images, drawn anew each epoch, are mirrored while training."""


class FrozenSounds(Sounds):
    """A sound network that stays as it is: features are computed once and kept."""

    kind: Literal["frozen"] = "frozen"


class FineTunedSounds(Sounds, Learning):
    """A sound network that learns along."""

    kind: Literal["fine_tuned"] = "fine_tuned"


TextBackbone = Annotated[Given | FrozenText | FineTunedText, Field(discriminator="kind")]
VisionBackbone = Annotated[Given | FrozenImages | FineTunedImages, Field(discriminator="kind")]
AudioBackbone = Annotated[Given | FrozenSounds | FineTunedSounds, Field(discriminator="kind")]
