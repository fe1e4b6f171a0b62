"""M3Co and MultiSClip: contrast between modalities, first of mixed embeddings, then with soft aims.

Paper: Harnessing Shared Relations via Multimodal Mixup Contrastive Learning for Multimodal
Classification (M3CoL), 2024, arXiv 2409.17777.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mmsearch.losses.cpc import cosines
from mmsearch.losses.mixup import Mixup


def links(
    names: Sequence[str], *, pairs: Literal["cyclic", "all"] = "cyclic"
) -> list[tuple[str, str]]:
    """Ordered pairs of modalities that are contrasted; of two modalities both directions.

    Args:
        names: the modalities, at least two.
        pairs: each with the next one and the last with the first, or each with every other.
    """
    if pairs == "all":
        return [(left, right) for left in names for right in names if left != right]
    return list(zip(names, [*names[1:], names[0]], strict=True))


def mixed_targets(
    mixup: Mixup, *, accumulate_fixed_points: bool = True
) -> Float[Tensor, "batch batch"]:
    """Matrix P: lambda_i of example i at (i, i), and 1 - lambda_i at its partner's column.

    Args:
        mixup: lambdas and partners.
        accumulate_fixed_points: whether the row of an example that is its own partner sums to 1.
            The released code writes the second value over the first, which leaves 1 - lambda_i.
    """
    own = torch.diag(mixup.kept)
    rest = (1 - mixup.kept).unsqueeze(1)
    columns = mixup.partners.unsqueeze(1)
    if accumulate_fixed_points:
        return own.scatter_add(1, columns, rest)
    return own.scatter(1, columns, rest)


def m3co(
    mixed: Float[Tensor, "batch width"],
    partner: Float[Tensor, "batch width"],
    targets: Float[Tensor, "batch batch"],
    *,
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Mean cross-entropy, in both directions, of finding in the partner what was mixed.

    Couples the whole batch.

    Args:
        mixed: embeddings of one modality after mixing.
        partner: embeddings of another modality.
        targets: P of the first modality's mixup.
        temperature: tau, divides the cosines.
    """
    similarity = cosines(mixed, partner) / temperature
    return (soft_entropy(targets, similarity) + soft_entropy(targets.T, similarity.T)) / 2


def multi_soft_clip(
    left: Float[Tensor, "batch width"],
    right: Float[Tensor, "batch width"],
    *,
    temperature: float = 0.125,
) -> Float[Tensor, ""]:
    """Mean cross-entropy, in both directions, with the right modality's own likenesses as aim.

    Couples the whole batch; the aim takes gradients as well.

    Args:
        left: embeddings of one modality.
        right: embeddings of another modality.
        temperature: T, divides the cosines of aim and prediction.
    """
    aim = torch.softmax(cosines(right, right) / temperature, dim=1)
    similarity = cosines(left, right) / temperature
    return (soft_entropy(aim, similarity) + soft_entropy(aim, similarity.T)) / 2


def soft_entropy(
    targets: Float[Tensor, "batch batch"], logits: Float[Tensor, "batch batch"]
) -> Float[Tensor, ""]:
    """Cross-entropy of rows of weights and the softmax of rows of logits, a mean over rows.

    The weights of a row need not sum to 1.
    """
    return -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
