"""Text networks: a text to tokens, and tokens to the last layer of a language model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from mmsearch.backbones import hub
from mmsearch.backbones.network import Inputs, Network, Source, Steps
from mmsearch.backbones.settings import Text
from mmsearch.encoders.steps import real_steps
from mmsearch.errors import Problem, StudyError


class TextNetwork(Network):
    """A language model; attention sees real tokens only."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.width = model.config.hidden_size

    def forward(self, inputs: Int[Tensor, "batch steps"], lengths: Int[Tensor, " batch"]) -> Steps:
        """Hidden states of the last layer, one a token."""
        real = real_steps(lengths, inputs.shape[1]).long()
        states = self.model(input_ids=inputs.long(), attention_mask=real).last_hidden_state
        return states, lengths


def source(settings: Text) -> Source:
    """The network of these settings.

    Raises:
        StudyError: it is not there, reads no text, or takes fewer tokens.
    """
    model = hub.load_model(settings.model)
    alone = hasattr(model.config, "vocab_size") and not model.config.is_encoder_decoder
    if model.main_input_name != "input_ids" or not alone:
        rule = f"is a {type(model).__name__}, which makes no features of text alone"
        raise StudyError(Problem(f"model {settings.model!r}", rule, "Choose a language model."))
    tokenizer = hub.load_part(settings.model, "AutoTokenizer")
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        rule = "comes without a tokenizer that knows any word"
        way_out = "Save its tokenizer into the same folder."
        raise StudyError(Problem(f"model {settings.model!r}", rule, way_out))
    most = min(int(tokenizer.model_max_length), _positions(model))
    if settings.max_tokens > most:
        rule = f"the model reads at most {most} tokens, got max_tokens = {settings.max_tokens}"
        raise StudyError(Problem(f"model {settings.model!r}", rule, f"Set max_tokens = {most}."))

    padding = tokenizer.pad_token_id or 0

    def read(texts: Sequence[str]) -> Inputs:
        return _tokens(tokenizer, texts, most=settings.max_tokens, padding=padding)

    network, identity = TextNetwork(model), hub.identity(settings.model, model)
    network.has_first = tokenizer("")["input_ids"][:1] == [tokenizer.cls_token_id]
    return Source(network, read, identity, read(["a"]), padding=padding)


def _positions(model: Any) -> int:
    """Tokens that there are positions for; those of RoBERTa begin behind its padding."""
    positions = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    embeddings = getattr(model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    offset = getattr(table, "padding_idx", None)
    return positions - (0 if offset is None else offset + 1)


def _tokens(tokenizer: Any, texts: Sequence[str], *, most: int, padding: int) -> Inputs:
    """Token numbers with the model's own marks, padded at the end as it wants them."""
    lists = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
    lists = [one or [padding] for one in lists]
    lengths = np.array([len(one) for one in lists], dtype=np.int64)
    values = np.full((len(lists), int(lengths.max())), padding, dtype=np.int32)
    for row, one in enumerate(lists):
        values[row, : len(one)] = one
    return Inputs(values, lengths)
