"""Cross-modal transformer: the steps of one modality attend to those of another, as in MulT.

Paper: Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019, arXiv 1906.00295.
Differs from the paper: attention looks at real steps only, where its code attends to padding; and
at all of them, where its code masks those ahead.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mmsearch.encoders.steps import real_steps, without_padding
from mmsearch.encoders.transformer import TemporalTransformer, placed, wide_part


class CrossAttention(nn.Module):
    """Several heads of one sequence's steps over those of another."""

    def __init__(self, features: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(features, features)
        self.key_and_value = nn.Linear(features, 2 * features)
        self.output = nn.Linear(features, features)
        for layer in (self.query, self.key_and_value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Float[Tensor, "batch steps features"],
        source: Float[Tensor, "batch other features"],
        real: Bool[Tensor, "batch other"],
    ) -> Float[Tensor, "batch steps features"]:
        """Every step's mixture of the source's real steps."""
        query = self.query(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        split = self.key_and_value(source).unflatten(2, (2, self.heads, -1))
        key, value = split.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=real[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.output(mixed.transpose(1, 2).flatten(2))


class CrossLayer(nn.Module):
    """Attention to the source and a feed-forward part, each behind a norm and added.

    Steps and source share the norm, as in MulT's code.
    """

    def __init__(self, config: TemporalTransformer.Config) -> None:
        super().__init__()
        width = config.features
        self.attention_norm, self.wide_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, config.heads, dropout=config.attention_dropout)
        self.wide = wide_part(width, dropout=config.relu_dropout)
        self.dropout = nn.Dropout(config.residual_dropout)

    def forward(
        self,
        x: Float[Tensor, "batch steps features"],
        source: Float[Tensor, "batch other features"],
        real: Bool[Tensor, "batch other"],
    ) -> Float[Tensor, "batch steps features"]:
        """The steps after both parts."""
        seen = self.attention_norm(source)
        x = x + self.dropout(self.attention(self.attention_norm(x), seen, real))
        return x + self.dropout(self.wide(self.wide_norm(x)))


class CrossTransformer(nn.Module):
    """Layers in which steps that change attend to a source that stays, and a norm at the end."""

    def __init__(self, config: TemporalTransformer.Config) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.embedding_dropout)
        self.layers = nn.ModuleList(CrossLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.features)

    def forward(
        self,
        sequence: Float[Tensor, "batch steps features"],
        lengths: Int[Tensor, " batch"],
        source: Float[Tensor, "batch other features"],
        source_lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch steps features"]:
        """The steps with what they found in the source; beyond an example's ends lie zeros."""
        x = self.dropout(placed(sequence, lengths))
        seen = self.dropout(placed(source, source_lengths))
        real = real_steps(source_lengths, source.shape[1])
        for layer in self.layers:
            x = layer(x, seen, real)
        return without_padding(self.norm(x), lengths)
