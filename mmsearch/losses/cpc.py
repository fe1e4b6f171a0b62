"""CPC: contrastive prediction of one representation from another.

Paper: Representation Learning with Contrastive Predictive Coding, 2018, arXiv 1807.03748; in the
form of MMIM (EMNLP-21), where the fusion predicts each modality.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmsearch.losses.gathering import Gather, gather_together
from mmsearch.losses.precision import full_precision


class CPC(nn.Module):
    """One term per link: how well the link's target is told from its source.

    A link (source, target) has a predictor G of its own from the one's features to the other's.
    """

    def __init__(
        self,
        links: Mapping[str, tuple[str, str]],
        widths: Mapping[str, int],
        *,
        layers: Literal[1, 2] = 1,
        temperature: float = 1.0,
    ) -> None:
        """Makes the predictors.

        Args:
            links: source and target of each term, by the term's name.
            widths: features of every source and target.
            layers: of a predictor: linear, or linear-tanh-linear.
            temperature: divides the similarities; 1 is MMIM's.
        """
        super().__init__()
        self.links = dict(links)
        self.temperature = temperature
        self.predictors = nn.ModuleDict(
            {
                name: predictor(widths[source], widths[target], layers=layers)
                for name, (source, target) in links.items()
            }
        )

    def forward(
        self, features: Mapping[str, Float[Tensor, "part _features"]], gather: Gather
    ) -> dict[str, Float[Tensor, ""]]:
        """The loss of each link over the whole batch, computed in float32.

        Args:
            features: this worker's part of the batch, at least every source and target.
            gather: makes it the whole batch.
        """
        ends = {
            f"predicted/{name}": self.predictors[name](features[source])
            for name, (source, _) in self.links.items()
        }
        ends |= {target: features[target] for _, target in self.links.values()}
        whole = gather_together({name: value.float() for name, value in ends.items()}, gather)
        terms: dict[str, Tensor] = {}
        for name, (_, target) in self.links.items():
            predicted = whole[f"predicted/{name}"]
            with full_precision(predicted):
                terms[name] = info_nce(whole[target], predicted, temperature=self.temperature)
        return terms

    def predict(
        self, name: str, source: Float[Tensor, "batch source"]
    ) -> Float[Tensor, "batch target"]:
        """What the link's predictor makes of its source, in float32."""
        dtype = next(self.predictors[name].parameters()).dtype
        return self.predictors[name](source.to(dtype)).float()


def predictor(in_features: int, out_features: int, *, layers: Literal[1, 2] = 1) -> nn.Sequential:
    """The predictor G: linear, or linear-tanh-linear."""
    first = nn.Linear(in_features, out_features)
    if layers == 1:
        return nn.Sequential(first)
    return nn.Sequential(first, nn.Tanh(), nn.Linear(out_features, out_features))


def info_nce(
    actual: Float[Tensor, "batch features"],
    predicted: Float[Tensor, "batch features"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Negative mean log-probability that an example's own prediction is picked out of the batch's.

    Similarities are cosines divided by the temperature. One direction: the negatives of an example
    are the other examples' predictions. Couples the whole batch; 0 for a batch of one.
    """
    similarity = cosines(actual, predicted) / temperature
    own = torch.arange(len(actual), device=actual.device)
    return nn.functional.cross_entropy(similarity, own)


def cosines(
    left: Float[Tensor, "rows features"], right: Float[Tensor, "columns features"]
) -> Float[Tensor, "rows columns"]:
    """Cosine of every row of `left` with every row of `right`."""
    return nn.functional.normalize(left, dim=1) @ nn.functional.normalize(right, dim=1).T
