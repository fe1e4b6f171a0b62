"""Transformer: self-attention over the steps of one modality, in the form of MulT.

Paper: Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019, arXiv 1906.00295.
Differs from the paper: attention looks at real steps only, where its code attends to padding.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from mmsearch.encoders.base import EncoderSettings
from mmsearch.encoders.steps import StepEncoder, real_steps, without_padding


class SelfAttention(nn.Module):
    """Several heads over the steps of one sequence."""

    def __init__(self, features: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inputs = nn.Linear(features, 3 * features)
        self.output = nn.Linear(features, features)
        for layer in (self.inputs, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: Float[Tensor, "batch steps features"], real: Bool[Tensor, "batch steps"]
    ) -> Float[Tensor, "batch steps features"]:
        """Every step's mixture of the real steps."""
        split = self.inputs(x).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=real[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.output(mixed.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part 4 times as wide, each behind a norm and added."""

    def __init__(self, config: "TemporalTransformer.Config") -> None:
        super().__init__()
        width = config.features
        self.attention_norm, self.wide_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, config.heads, dropout=config.attention_dropout)
        self.wide = wide_part(width, dropout=config.relu_dropout)
        self.dropout = nn.Dropout(config.residual_dropout)

    def forward(
        self, x: Float[Tensor, "batch steps features"], real: Bool[Tensor, "batch steps"]
    ) -> Float[Tensor, "batch steps features"]:
        """The steps after both parts."""
        x = x + self.dropout(self.attention(self.attention_norm(x), real))
        return x + self.dropout(self.wide(self.wide_norm(x)))


class TemporalTransformer(StepEncoder):
    """Pre-norm layers over scaled steps with sinusoidal positions, and a norm at the end."""

    class Config(EncoderSettings):
        """Settings of the layers."""

        features: int = Field(ge=1)
        """Width of a step, coming in and going out; a multiple of `heads`."""
        layers: int = Field(3, ge=1)
        """Transformer layers."""
        heads: int = Field(5, ge=1)
        """Attention heads."""
        attention_dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of attention's weights."""
        relu_dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout inside the feed-forward part."""
        residual_dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of what either part adds."""
        embedding_dropout: float = Field(0.0, ge=0.0, lt=1.0)
        """Dropout of the steps with their positions."""

        @model_validator(mode="after")
        def _heads_divide_features(self) -> "TemporalTransformer.Config":
            if self.features % self.heads:
                raise ValueError(
                    f"heads must divide features, got heads={self.heads}, features={self.features}"
                )
            return self

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.out_features = config.features
        self.dropout = nn.Dropout(config.embedding_dropout)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.features)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps in_features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch steps out_features"]:
        """Attended steps."""
        x = self.dropout(placed(sequence, lengths))
        real = real_steps(lengths, sequence.shape[1])
        for layer in self.layers:
            x = layer(x, real)
        return without_padding(self.norm(x), lengths)


def wide_part(width: int, *, dropout: float) -> nn.Sequential:
    """The feed-forward part of a layer, 4 times as wide inside."""
    first, second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
    for layer in (first, second):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), second)


def placed(
    sequence: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch steps features"]:
    """The steps, scaled by the root of their width, with their positions added."""
    _, steps, width = sequence.shape
    where = positions(steps, width, device=sequence.device).to(sequence.dtype)
    return math.sqrt(width) * without_padding(sequence, lengths) + where


def positions(steps: int, width: int, *, device: torch.device) -> Float[Tensor, "steps width"]:
    """Sines, then cosines, of positions from 1 on; wavelengths grow to 10000 * 2 pi."""
    half = width // 2
    grid = torch.arange(half, device=device, dtype=torch.float32)
    rates = torch.exp(-math.log(10000) / max(half - 1, 1) * grid)
    angles = torch.arange(1, steps + 1, device=device).unsqueeze(1) * rates
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(table, (0, width - 2 * half))
