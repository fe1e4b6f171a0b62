"""Tiny networks as transformers writes them, and toy data with raw modalities that they read."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import toy_training as toy
from numpy.typing import NDArray
from torch import Tensor
from toys import toy_data

from mmsearch import backbones, methods
from mmsearch.backbones.network import Source
from mmsearch.backbones.settings import Reader
from mmsearch.batch import Batch
from mmsearch.datasets.raw import MODALITIES, Kind, Raw
from mmsearch.datasets.splits import fingerprint
from mmsearch.datasets.task import SearchData
from mmsearch.space import Parameter, Space
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, checkpoint

WORDS = ("film", "was", "the", "a", "good", "bad", "very", "not", "plot", "end", "so", "and")
WIDTH, MOST = 8, 16
"""Features of every network but ResNet's; tokens that language models have positions for."""
RATE = 16000
SMALL = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "initializer_range": 0.3,
}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def make(folder: Path) -> Path:
    """Writes `bert`, `still` (without dropout), `roberta`, `vit`, `resnet`, `group`, `layer`."""
    import transformers as t

    logging.getLogger("transformers").setLevel(logging.ERROR)
    t.utils.logging.disable_progress_bar()
    language = partial(t.BertConfig, vocab_size=len(WORDS) + 5, max_position_embeddings=MOST)
    bert(t.BertModel(language(**SMALL)), folder / "bert")
    bert(t.BertModel(language(**SMALL, **STILL)), folder / "still")
    roberta(folder / "roberta")
    vit = t.ViTModel(t.ViTConfig(**SMALL, **STILL, image_size=16, patch_size=8))
    save(folder / "vit", vit, t.ViTImageProcessor(size={"height": 16, "width": 16}))
    sizes = {"embedding_size": WIDTH, "hidden_sizes": [WIDTH, 12], "depths": [1, 1]}
    resnet = t.ResNetModel(t.ResNetConfig(**sizes, layer_type="basic"))
    save(folder / "resnet", resnet, t.ConvNextImageProcessor(size={"shortest_edge": 32}))
    for norm in ("group", "layer"):
        extractor = t.Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
        save(folder / norm, t.Wav2Vec2Model(wav2vec(norm)), extractor)
    return folder


def save(folder: Path, model: Any, *parts: Any, seed: int = 0) -> Path:
    """Draws a network's weights anew and writes it with what goes with it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    for one in (model, *parts):
        one.save_pretrained(folder)
    return folder


def bert(model: Any, folder: Path, *, seed: int = 0, most: int = MOST) -> Path:
    """Writes a network with a tokenizer of `WORDS`."""
    from transformers import BertTokenizer

    folder.mkdir()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)))
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=most)
    vocabulary.unlink()
    return save(folder, model, tokenizer, seed=seed)


def roberta(folder: Path) -> Path:
    """Writes a network whose positions begin behind its padding, which is not 0."""
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    marks = ("<s>", "<pad>", "</s>", "<unk>")
    numbers = {word: number for number, word in enumerate((*marks, *WORDS))}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=words, **names)
    places = {"max_position_embeddings": MOST + 2, "pad_token_id": 1}
    config = t.RobertaConfig(vocab_size=len(numbers), **places, **SMALL, **STILL)
    return save(folder, t.RobertaModel(config), tokenizer)


def wav2vec(norm: str) -> Any:
    """Settings of a network of 200 steps a second."""
    from transformers import Wav2Vec2Config

    layers = {"conv_dim": (8, 8, 8), "conv_kernel": (10, 3, 3), "conv_stride": (5, 4, 4)}
    places = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    return Wav2Vec2Config(
        **SMALL,
        **layers,
        **places,
        num_feat_extract_layers=3,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )


def text(model: Path, kind: str = "frozen", **settings: Any) -> dict[str, Any]:
    """Settings of a text backbone."""
    return {"kind": kind, "model": str(model), "max_tokens": MOST, **settings}


def source(modality: str, settings: Reader) -> Source:
    """The network of these settings, as a trial gets it."""
    return backbones.source(backbones.Chosen(modality, settings))


def states(found: Source, entries: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The last layer of some entries, read together."""
    read = found.read(entries)
    with torch.no_grad():
        return found.network(torch.from_numpy(read.values), torch.from_numpy(read.lengths))


def sentences(rows: int, *, seed: int = 0, most: int = 9) -> tuple[str, ...]:
    """Texts of one word to `most`."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, most + 1, rows)
    return tuple(" ".join(generator.choice(WORDS, length)) for length in lengths)


def raw_data(
    kind: Kind = "text",
    *,
    train: Sequence[str] = sentences(24, seed=1),
    valid: Sequence[str] = sentences(10, seed=2),
    classes: int = 0,
) -> SearchData:
    """Toy data of text, audio and vision, one of which is raw and nothing else."""
    name = MODALITIES[kind]
    data = toy_data(num_train=len(train), num_valid=len(valid), classes=classes)
    splits = _without(data.train, name), _without(data.valid, name)
    raw = {name: (Raw(kind, tuple(train)), Raw(kind, tuple(valid)))}
    task = replace(data.task, modalities={**data.task.modalities, name: 0})
    return SearchData(task, *splits, fingerprint(*splits, raw), raw)


def _without(batch: Batch, name: str) -> Batch:
    inputs, lengths = dict(batch.inputs), dict(batch.lengths)
    del inputs[name], lengths[name]
    return replace(batch, inputs=inputs, lengths=lengths)


def study(
    published: Mapping[str, Any],
    *,
    method: str = "baseline",
    space: Mapping[str, Parameter] | None = None,
    **changes: Any,
) -> Study:
    """A study of a method; `changes` are those of `toy_training.study`."""
    found = toy.study(**changes)
    return replace(found, method=method, published=dict(published), space=Space(space or {}))


def planned(asked: Study, data: SearchData, folder: Path) -> backbones.Plan:
    """What a study's backbones need, in this folder."""
    return backbones.planned(asked, methods.schema_of(asked.method), data, folder=folder)


def computed(asked: Study, data: SearchData, folder: Path) -> SearchData:
    """The data with all views that a study needs."""
    plan = planned(asked, data, folder)
    for one in plan.missing():
        backbones.compute(one)
    return plan.data


@contextmanager
def trainer(
    worker: Worker, asked: Study, data: SearchData, config: Mapping[str, Any] | None = None
) -> Iterator[Trainer]:
    """A trainer of a study's published configuration, or of another."""
    config = asked.published if config is None else config
    built = Trainer(asked, data, config, seed=toy.SEED, worker=worker)
    try:
        yield built
    finally:
        built.close()


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Copy of the weights of all networks that learn along."""
    learner = trainer._engines.learner
    with checkpoint._whole(trainer._engines, list(learner.backbones.parameters())):
        return {name: p.detach().clone() for name, p in learner.backbones.named_parameters()}


def learning(trainer: Trainer) -> set[str]:
    """Names of their weights that take gradients."""
    named = trainer._engines.learner.backbones.named_parameters()
    return {name for name, parameter in named if parameter.requires_grad}


def image(path: Path, *, mode: str = "RGB", size: tuple[int, int] = (40, 24), seed: int = 0) -> str:
    """Writes an image of coloured noise; returns its path."""
    from PIL import Image

    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return str(path)


def sound(path: Path, seconds: float, *, rate: int = RATE, channels: int = 1, seed: int = 0) -> str:
    """Writes a few tones in noise; returns its path."""
    import soundfile

    soundfile.write(path, tones(seconds, rate=rate, channels=channels, seed=seed), rate)
    return str(path)


def tones(seconds: float, *, rate: int, channels: int, seed: int) -> NDArray[np.float64]:
    """Samples by channel: sines below 1 kHz, and noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    waves = np.sin(2 * np.pi * generator.uniform(100, 1000, (channels, 3, 1)) * time).sum(axis=1)
    return (0.1 * waves + 0.01 * generator.normal(size=waves.shape)).T
