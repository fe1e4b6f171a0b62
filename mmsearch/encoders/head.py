"""Head: a representation to a prediction, with the feature in between that labels are made from.

Paper: Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
Multimodal Sentiment Analysis, 2021.
"""

from jaxtyping import Float
from torch import Tensor, nn


class Head(nn.Module):
    """Dropout and three layers; the first one's output is the feature F."""

    def __init__(self, in_features: int, features: int, *, dropout: float) -> None:
        super().__init__()
        self.feature = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(in_features, features), nn.ReLU()
        )
        self.prediction = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Linear(features, 1)
        )

    def forward(
        self, x: Float[Tensor, "batch in_features"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, " batch"]]:
        """Feature F and the prediction, unbounded."""
        feature = self.feature(x)
        return feature, self.prediction(feature).squeeze(1)
