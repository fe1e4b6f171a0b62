"""Common architectures: all of them run, and what learns of them is what features depend on."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_backbones as toy

from mmsearch.backbones.settings import FineTunedImages, FineTunedSounds, FineTunedText

WORDS = len(toy.WORDS) + 5
SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
LANGUAGE: dict[str, dict[str, Any]] = {
    "Bert": SIZES,
    "Albert": {**SIZES, "embedding_size": 8},
    "DebertaV2": {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16},
    "Electra": {**SIZES, "embedding_size": 4},
    "MPNet": SIZES,
    "XLMRoberta": {**SIZES, "pad_token_id": 0},
}
WINDOWS = {"image_size": 16, "patch_size": 2, "window_size": 4}
SIGHT: dict[str, dict[str, Any]] = {
    "Beit": {**SIZES, "image_size": 16, "patch_size": 8, "use_mask_token": True},
    "CLIPVision": {**SIZES, "image_size": 16, "patch_size": 8},
    "ConvNext": {"hidden_sizes": [4, 8], "depths": [1, 1], "num_stages": 2},
    "DeiT": {**SIZES, "image_size": 16, "patch_size": 8},
    "Dinov2": {**SIZES, "image_size": 16, "patch_size": 8},
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]},
    "Swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], **WINDOWS},
    "ViT": {**SIZES, "image_size": 16, "patch_size": 8},
}
HEARING = ("Wav2Vec2", "Hubert", "WavLM")
UNUSED: dict[str, set[str]] = {
    "Bert": {"pooler"},
    "Albert": {"pooler"},
    "MPNet": {"pooler"},
    "XLMRoberta": {"pooler"},
    "Beit": {"embeddings.mask_token", "pooler"},
    "CLIPVision": {"post_layernorm"},
    "ConvNext": {"layernorm"},
    "DeiT": {"pooler"},
    "Dinov2": {"embeddings.mask_token"},
    "ViT": {"pooler"},
    "Wav2Vec2": {"masked_spec_embed"},
    "Hubert": {"masked_spec_embed"},
    "WavLM": {"masked_spec_embed"},
}
"""Parts that features do not depend on; the others have none."""


def built(name: str, settings: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))


def check(name: str, modality: str, settings: Any, entries: list[str]) -> None:
    """Trains a copy for one step, as a trial does; every weight that may learn has to."""
    found = toy.source(modality, settings)
    network = deepcopy(found.network).train()
    read = found.read(entries)
    states, lengths = network(torch.from_numpy(read.values), torch.from_numpy(read.lengths))
    assert states.shape[::2] == (len(entries), network.width)
    assert 1 <= int(lengths.min()) <= int(lengths.max()) <= states.shape[1]
    (states * torch.randn(states.shape)).sum().backward()
    still = {key for key, weight in network.named_parameters() if weight.grad is None}
    fixed = {key for key, weight in network.named_parameters() if not weight.requires_grad}
    assert still == fixed
    unused = UNUSED.get(name, set())
    assert {part for key in fixed for part in unused if part in key} == unused
    assert [key for key in fixed if not any(part in key for part in unused)] == []


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_language_model_learns_whole(tmp_path: Path, name: str) -> None:
    settings = {"vocab_size": WORDS, "max_position_embeddings": 24, **LANGUAGE[name]}
    folder = toy.bert(built(name, settings), tmp_path / "model")
    check(name, "text", FineTunedText(model=str(folder), max_tokens=16), ["a good film", "bad"])


HAS_FIRST = {"Beit", "CLIPVision", "DeiT", "Dinov2", "ViT"}


@pytest.mark.parametrize("name", SIGHT)
def test_an_image_network_learns_whole(tmp_path: Path, name: str) -> None:
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor(size={"height": 16, "width": 16})
    folder = toy.save(tmp_path / "model", built(name, SIGHT[name]), processor)
    files = [toy.image(tmp_path / f"{seed}.png", seed=seed) for seed in range(2)]
    settings = FineTunedImages(model=str(folder), output="mean")
    check(name, "vision", settings, files)
    assert toy.source("vision", settings).network.has_first == (name in HAS_FIRST)


# WavLM gives torch two kinds of masks.
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("name", HEARING)
def test_a_sound_network_learns_whole(tmp_path: Path, name: str, norm: str) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    settings = toy.wav2vec(norm).to_dict()
    del settings["model_type"], settings["architectures"]
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
    folder = toy.save(tmp_path / "model", built(name, settings), extractor)
    files = [toy.sound(tmp_path / f"{n}.wav", 0.2 + n / 10, seed=n) for n in range(2)]
    check(name, "audio", FineTunedSounds(model=str(folder), max_seconds=0.5), files)
