"""Precision of losses: float32, whatever the precision in which a model is trained."""

import torch
from torch import Tensor


def full_precision(like: Tensor) -> torch.autocast:
    """A context without autocasting on this tensor's device, where float32 stays float32."""
    return torch.autocast(like.device.type, enabled=False)
