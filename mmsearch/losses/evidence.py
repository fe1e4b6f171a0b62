"""Evidence: classes as Dirichlet distributions, what they get wrong, and how several are combined.

Paper: Trusted Multi-View Classification, 2021 (ICLR), arXiv 2102.02051 (TMC); the loss is that of
Evidential Deep Learning, 2018, arXiv 1806.01768.
Unusual: Dempster's rule is taken in closed form. With beliefs b_k = e_k / S and uncertainty
u = K / S, S = K + sum of e, what conflict divides cancels out, and two evidences e and f of K
classes combine to e + f + e f / K, class by class.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def combined(evidences: Float[Tensor, "views batch classes"]) -> Float[Tensor, "batch classes"]:
    """Evidence of all views together by Dempster's rule, in any order."""
    classes = evidences.shape[2]
    return classes * torch.expm1(torch.log1p(evidences / classes).sum(dim=0))


def evidential_error(
    evidence: Float[Tensor, "batch classes"],
    target: Int[Tensor, " batch"],
    *,
    share: float,
) -> Float[Tensor, ""]:
    """Expected cross-entropy under the Dirichlet, and a pull of wrong evidence towards none.

    Args:
        evidence: of every class, at least 0; the Dirichlet's parameters are 1 more.
        target: the true classes.
        share: weight of the pull, the divergence from no evidence at all once that of the true
            class is taken away; grows from 0 to 1 in training.

    Returns:
        The mean over the batch.
    """
    alpha = evidence + 1
    own = alpha.gather(1, target.unsqueeze(1)).squeeze(1)
    entropy = torch.digamma(alpha.sum(dim=1)) - torch.digamma(own)
    wrong = alpha.scatter(1, target.unsqueeze(1), 1.0)
    return (entropy + share * divergence_from_uniform(wrong)).mean()


def divergence_from_uniform(alpha: Float[Tensor, "batch classes"]) -> Float[Tensor, " batch"]:
    """Kullback-Leibler divergence of a Dirichlet from the one whose parameters are all 1."""
    total = alpha.sum(dim=1)
    classes = torch.full_like(total, alpha.shape[1])
    normaliser = total.lgamma() - alpha.lgamma().sum(dim=1) - classes.lgamma()
    slopes = torch.digamma(alpha) - torch.digamma(total).unsqueeze(1)
    return normaliser + ((alpha - 1) * slopes).sum(dim=1)
