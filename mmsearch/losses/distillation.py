"""Distillation: whichever of several predictors errs less teaches the others (MIM's KGS).

Paper: Multimodal Information Modulation (MIM), knowledge guided by samples within a modality and
between modalities, with its Adjuster.
Unusual: an error is one number for the batch, or one for each example; its shape says who is
compared, and nothing else changes. Which of several errs less gets no gradient.
Differs from the paper: its formulas are of three modalities; here they are of two or more.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def adjusted(errors: Float[Tensor, " modalities *n"]) -> Float[Tensor, " modalities *n"]:
    """Weights alpha of the Adjuster: the smaller an error, the larger; they sum to `modalities`.

    alpha_m is in proportion to the product of (1 + lambda_k) over the other modalities k, with
    lambda_k the share of modality k in the sum of the errors.
    """
    total = errors.sum(dim=0)
    shares = errors / torch.where(total > 0, total, torch.ones_like(total))
    weights = 1 / (1 + shares)
    return len(errors) * weights / weights.sum(dim=0)


def from_the_better(
    predictions: tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]],
    errors: tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]],
) -> Float[Tensor, ""]:
    """Mean squared distance of two predictors, of which the one with the larger error learns.

    Args:
        predictions: of the two.
        errors: of the two, one each or one for each example; where they are equal nobody learns.
    """
    (first, second), (first_error, second_error) = predictions, errors
    first_learns = (first - second.detach()).square()
    second_learns = (second - first.detach()).square()
    nobody = torch.zeros_like(first)
    distance = torch.where(
        first_error > second_error,
        first_learns,
        torch.where(first_error < second_error, second_learns, nobody),
    )
    return distance.mean()


def from_the_best(
    features: Float[Tensor, "modalities batch width"],
    errors: Float[Tensor, " modalities *n"],
    *,
    temperature: float,
    divide: bool,
) -> Float[Tensor, ""]:
    """T^2 times the mean divergence of the others' features from those of the best modality.

    Features are compared as distributions, by a softmax. T is `temperature` times the best
    modality's weight by `adjusted`. The mean is over the students and over the batch; examples in
    which two modalities are equally best count 0.

    Args:
        features: of each modality.
        errors: of each modality, one for the batch or one for each example.
        temperature: of distillation; MIM's is 10.
        divide: whether features are divided by T before the softmax, as distillation has it;
            MIM's code only multiplies by T^2.
    """
    modalities, batch, _ = features.shape
    best = errors.argmin(dim=0).expand(batch)
    alone = ((errors == errors.amin(dim=0)).sum(dim=0) == 1).to(features.dtype)
    scale = temperature * adjusted(errors).amax(dim=0)
    logits = features / scale.unsqueeze(-1) if divide else features
    students = torch.log_softmax(logits, dim=2)
    teacher = students.detach()[best, torch.arange(batch, device=best.device)]
    divergence = (teacher.exp() * (teacher - students)).sum(dim=2)
    others = torch.arange(modalities, device=best.device).unsqueeze(1) != best
    taught = (divergence * others).sum(dim=0) / (modalities - 1)
    return (alone * scale.square() * taught).mean()
