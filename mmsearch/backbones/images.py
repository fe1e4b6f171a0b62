"""Image networks: a file to pixels of the size that a network wants, and pixels to its last layer.

Unusual: pixels are kept as bytes and normalised where the network is. What a convolutional network
gives is a sequence too, of its places row by row, without a first step that sums them up.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor, nn

from mmsearch.backbones import hub
from mmsearch.backbones.network import Inputs, Network, Source, Steps, missing
from mmsearch.backbones.settings import Images
from mmsearch.errors import DataError, Problem, StudyError, reason_of

Pixels = UInt8[np.ndarray, "channel height width"]


class ImageNetwork(Network):
    """A network over one image; its batch normalisations keep their statistics while it learns."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, model: Any, width: int, *, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.model = model
        self.width = width
        self.flip = False
        """Whether images are mirrored at random while training."""
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))

    def train(self, mode: bool = True) -> "ImageNetwork":  # noqa: FBT001, FBT002  torch's own
        """Dropout is switched, batch normalisation is not."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  no public base
                module.eval()
                # It takes statistics of its weights' type and no other.
                module.to(next(self.model.parameters()).dtype)
        return self

    def forward(
        self,
        inputs: Shaped[Tensor, "batch 1 channel height width"],
        lengths: Int[Tensor, " batch"],
    ) -> Steps:
        """The last layer's places, after a summary where the network makes one."""
        images = inputs[:, 0].float()
        if self.flip and self.training:
            mirrored = torch.rand(len(images), device=images.device) < 0.5
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
        dtype = next(self.model.parameters()).dtype
        pixels = ((images / 255 - self.mean.float()) / self.deviation.float()).to(dtype)
        states = self.states(pixels)
        if states.dim() == 4:
            states = states.flatten(2).transpose(1, 2)
        return states, torch.full_like(lengths, states.shape[1])

    def states(self, pixels: Tensor) -> Tensor:
        """The last layer: (batch, steps, width) or (batch, width, rows, columns)."""
        return self.model(pixel_values=pixels).last_hidden_state


def source(settings: Images) -> Source:
    """The network of these settings.

    Raises:
        StudyError: it is not there, or looks at no images.
    """
    name = settings.model
    model = hub.load_model(name)
    config = model.config
    width = getattr(config, "hidden_size", None) or getattr(config, "hidden_sizes", [0])[-1]
    if model.main_input_name != "pixel_values" or not width:
        rule = f"is a {type(model).__name__}, which looks at no images"
        raise StudyError(Problem(f"model {name!r}", rule, "Choose an image model."))
    processor = hub.load_part(name, "AutoImageProcessor")
    shift = (
        (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0], [1.0])
    )
    network = ImageNetwork(model, width, mean=shift[0], deviation=shift[1])
    places = getattr(model, "embeddings", None)
    network.has_first = hasattr(places, "cls_token") or hasattr(places, "class_embedding")

    def pixels(image: Any) -> Pixels:
        made = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
        return np.asarray(made["pixel_values"][0]).astype(np.uint8)

    black = pixels(np.zeros((64, 64, 3), dtype=np.uint8))
    return Source(network, reader(pixels), hub.identity(name, model), one(black))


def one(pixels: Pixels) -> Inputs:
    """A single image."""
    return Inputs(pixels[None, None], np.ones(1, dtype=np.int64))


def reader(pixels: Callable[[Any], Pixels]) -> Callable[[Sequence[str]], Inputs]:
    """Reads files by what makes pixels of an image."""

    def read(paths: Sequence[str]) -> Inputs:
        stack = np.stack([pixels(_opened(path)) for path in paths])
        return Inputs(np.expand_dims(stack, 1), np.ones(len(paths), dtype=np.int64))

    return read


def _opened(path: str) -> Any:
    """The image in three colours.

    Raises:
        DataError: the file is no image, or damaged.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise missing("of images", "pillow") from error
    try:
        # What Pillow finds odd and reads nevertheless is no news.
        Image.init()
        formats = [name for name in Image.OPEN if name != "EPS"]  # a program, not an image
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=formats) as image,
        ):
            return image.convert("RGB")
    except Exception as error:
        reason = getattr(error, "strerror", None) or reason_of(error)
        rule = f"cannot be read as an image ({reason})"
        raise DataError(Problem(path, rule, "Mend the file, or leave its row out.")) from error
