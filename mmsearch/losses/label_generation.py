"""Label generation: unimodal labels from distances to class centres, kept per training example.

Paper: Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
Multimodal Sentiment Analysis, 2021 (Self-MM, module ULGM).
Unusual: the memory covers every row of train; its buffers are float32 and go into checkpoints.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmsearch.losses.cpc import cosines

EPSILON = 1e-8
HUMAN = "fusion"
"""The space whose label is the human one and never changes."""


def euclidean(
    features: Float[Tensor, "batch width"], centres: Float[Tensor, "2 width"]
) -> Float[Tensor, "2 batch"]:
    """Distances to the positive and to the negative centre."""
    return (features - centres.unsqueeze(1)).square().sum(dim=2).sqrt()


def cosine_distance(
    features: Float[Tensor, "batch width"], centres: Float[Tensor, "2 width"]
) -> Float[Tensor, "2 batch"]:
    """1 - cosine with the positive and with the negative centre."""
    return 1 - cosines(centres, features)


def polarity(distances: Float[Tensor, "2 batch"]) -> Float[Tensor, " batch"]:
    """Relative distance alpha: above 0 where the positive centre is the nearer one."""
    positive, negative = distances
    return (negative - positive) / (positive + EPSILON)


def generated(
    human: Float[Tensor, " batch"],
    unimodal: Float[Tensor, " batch"],
    fused: Float[Tensor, " batch"],
    *,
    bound: float,
) -> Float[Tensor, " batch"]:
    """New unimodal label: mean of the ratio and the shift form, clamped to [-bound, bound].

    Args:
        human: label of the fusion, y.
        unimodal: polarity alpha_s in the modality's space.
        fused: polarity alpha_f in the fusion's space.
        bound: largest absolute label, H.
    """
    ratio = human * unimodal / (fused + EPSILON)
    shift = human + unimodal - fused
    return (ratio / 2 + shift / 2).clamp(-bound, bound)


def with_momentum(
    old: Float[Tensor, " batch"], new: Float[Tensor, " batch"], *, epoch: int
) -> Float[Tensor, " batch"]:
    """(n - 1)/(n + 1) of the old label and 2/(n + 1) of the new one in epoch n (1-based).

    In epoch 1 that is the new label alone.
    """
    return (epoch - 1) / (epoch + 1) * old + 2 / (epoch + 1) * new


def trusted_error(
    prediction: Float[Tensor, " batch"],
    label: Float[Tensor, " batch"],
    human: Float[Tensor, " batch"],
) -> Float[Tensor, ""]:
    """Mean of W * |prediction - y_s| with W = tanh|y_s - y_m|, in float32.

    It is 0 where a label is still the human one.

    Args:
        prediction: of a unimodal head.
        label: generated label of its modality, y_s.
        human: label of the fusion, y_m.
    """
    trust = torch.tanh((label - human).abs())
    return (trust * (prediction.float() - label).abs()).mean()


class FeatureBank(nn.Module):
    """Latest feature of every training example in one space, and the centres of both classes."""

    features: Tensor
    centres: Tensor

    def __init__(self, num_train: int, width: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(num_train, width))
        self.register_buffer("centres", torch.zeros(2, width))

    @torch.no_grad()
    def write(self, rows: Int[Tensor, " batch"], features: Float[Tensor, "batch width"]) -> None:
        """Replaces the features of these rows."""
        self.features[rows] = features

    @torch.no_grad()
    def recompute(self, label: Float[Tensor, " num_train"], *, exclude_zero: bool) -> None:
        """Centres as means over the whole bank; a class without members keeps its centre."""
        positive = label > 0 if exclude_zero else label >= 0
        members = torch.stack([positive, label < 0]).to(self.features.dtype)
        counts = members.sum(dim=1, keepdim=True)
        means = members @ self.features / counts.clamp(min=1)
        self.centres.copy_(torch.where(counts > 0, means, self.centres))


class LabelMemory(nn.Module):
    """Labels of every training example in the fusion's and each modality's space, and banks.

    All labels start as the human ones. `spaces` says which spaces have labels, `banks` which have
    features and centres.
    """

    labels: Tensor

    def __init__(
        self,
        human: Float[Tensor, " num_train"],
        modalities: Sequence[str],
        widths: Mapping[str, int],
        *,
        exclude_zero: bool,
    ) -> None:
        """Starts all labels from the human ones.

        Args:
            human: label of every training example, in model units.
            modalities: those that get labels of their own.
            widths: features by space of the banks; `HUMAN` is one of them.
            exclude_zero: whether labels of exactly 0 stay out of the positive class.
        """
        super().__init__()
        self.spaces = (HUMAN, *modalities)
        self.exclude_zero = exclude_zero
        self.register_buffer("labels", human.float().repeat(len(self.spaces), 1))
        self.banks = nn.ModuleDict(
            {space: FeatureBank(len(human), width) for space, width in widths.items()}
        )

    def label(self, space: str) -> Float[Tensor, " num_train"]:
        """Current labels of one space, by row; a view."""
        return self.labels[self.spaces.index(space)]

    def centres(self, space: str) -> Float[Tensor, "2 width"]:
        """Positive and negative class centre of one space."""
        return self._bank(space).centres

    @torch.no_grad()
    def relabel(
        self,
        rows: Int[Tensor, " batch"],
        polarities: Mapping[str, Float[Tensor, " batch"]],
        *,
        bound: float,
        epoch: int,
    ) -> None:
        """Joins newly generated labels to those of these rows, in every modality's space.

        Args:
            rows: whose labels.
            polarities: alpha by space, of all `spaces`.
            bound: largest absolute label, H.
            epoch: n of `with_momentum`; 1 replaces the labels.
        """
        human = self.label(HUMAN)[rows]
        for space in self.spaces[1:]:
            new = generated(human, polarities[space], polarities[HUMAN], bound=bound)
            label = self.label(space)
            label[rows] = with_momentum(label[rows], new, epoch=epoch)

    @torch.no_grad()
    def write(
        self, rows: Int[Tensor, " batch"], features: Mapping[str, Float[Tensor, "batch _width"]]
    ) -> None:
        """Writes a batch's features into the banks and recomputes all centres."""
        for space in self.banks:
            bank = self._bank(space)
            bank.write(rows, features[space])
            bank.recompute(self.label(space), exclude_zero=self.exclude_zero)

    def _bank(self, space: str) -> FeatureBank:
        bank = self.banks[space]
        assert isinstance(bank, FeatureBank)
        return bank
