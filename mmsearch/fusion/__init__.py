"""Fusions: several modalities' features to one vector, every one usable by every method.

A fusion is one class with its `Config` in one file; `FusionConfig` is the union that methods take
as a field, so that a study file can search over fusions as a branch.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from mmsearch.errors import Problem, StudyError
from mmsearch.fusion.base import Fusion, FusionSettings
from mmsearch.fusion.concat import Concat
from mmsearch.fusion.cross_attention import CrossAttention
from mmsearch.fusion.gated import Gated
from mmsearch.fusion.low_rank import LowRank
from mmsearch.fusion.multiplicative import Multiplicative
from mmsearch.fusion.sum import Sum
from mmsearch.fusion.tensor import TensorProduct

__all__ = [
    "Concat",
    "CrossAttention",
    "Fusion",
    "FusionConfig",
    "FusionSettings",
    "Gated",
    "LowRank",
    "Multiplicative",
    "Sum",
    "TensorProduct",
    "build",
]

FusionConfig = Annotated[
    Concat.Config
    | Sum.Config
    | Gated.Config
    | TensorProduct.Config
    | LowRank.Config
    | CrossAttention.Config
    | Multiplicative.Config,
    Field(discriminator="kind"),
]
"""Settings of any fusion, told apart by `kind`."""

_CLASSES: dict[type[FusionSettings], Any] = {
    cls.Config: cls
    for cls in (Concat, Sum, Gated, TensorProduct, LowRank, CrossAttention, Multiplicative)
}


def build(config: FusionSettings, dims: Mapping[str, int]) -> Fusion:
    """The fusion that these settings name.

    Args:
        config: settings of one fusion, a member of `FusionConfig`.
        dims: features by modality, in the order in which they are fused.

    Raises:
        StudyError: fewer than two or more than six modalities, or a product that is too large.
    """
    if not 2 <= len(dims) <= 6:
        found = ", ".join(dims) or "none"
        rule = f"takes two to six modalities, got {len(dims)} ({found})"
        raise StudyError(Problem("fusion", rule, "Choose a dataset with more than one modality."))
    fusion: Fusion = _CLASSES[type(config)](config, dims)
    return fusion
