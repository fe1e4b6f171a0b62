"""Networks and raw files that are wrong, as a user meets them: answered, and nothing is left."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import toy_table
from PIL import Image
from wrong_inputs import holds, snapshot, tuned

from mmsearch import backbones
from mmsearch.backbones.images import reader
from mmsearch.datasets.raw import Raw
from mmsearch.datasets.task import View
from mmsearch.errors import DataError

FROZEN = 'published.{0}_backbone={{kind="frozen",model="{1}"}}'
LITE = 'published.vision_backbone={kind="frozen",model="efficientnet-lite0",output="mean"}'
SPACE = "space={batch_size={choice=[16,32]}}"
STUDY = ("m3col_food101", "--set", "dataset=table", "--data", "own", "--set", SPACE)


def asked(folder: Path, *overrides: str) -> list[str]:
    """The answer of a search on a table with texts and images by these backbones."""
    toy_table.write(folder / "own")
    options = [part for one in overrides for part in ("--set", one)]
    return tuned(folder, *STUDY, *options)


def no_model(folder: Path) -> None:
    (folder / "net").mkdir()


def a_model_of_nothing(folder: Path) -> None:
    no_model(folder)
    (folder / "net" / "config.json").write_text("{}")


def an_unknown_model(folder: Path) -> None:
    no_model(folder)
    (folder / "net" / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))


def a_model_without_weights(folder: Path) -> None:
    no_model(folder)
    (folder / "net" / "config.json").write_text(json.dumps({"model_type": "bert"}))


def code_of_its_own(folder: Path) -> None:
    """A model that wants its own code to be run."""
    no_model(folder)
    said = {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (folder / "net" / "config.json").write_text(json.dumps(said))
    (folder / "net" / "own.py").write_text("open('canary', 'w')")


def damaged_weights(folder: Path) -> None:
    a_model_without_weights(folder)
    (folder / "net" / "model.safetensors").write_bytes(struct.pack("<Q", 2**50) + b"{}")


MODELS = [
    pytest.param(lambda folder: None, ("model './net'", "no such folder"), id="missing"),
    pytest.param(no_model, ("cannot be loaded",), id="an empty folder"),
    pytest.param(a_model_of_nothing, ("cannot be loaded",), id="a model of nothing"),
    pytest.param(an_unknown_model, ("cannot be loaded",), id="an unknown model"),
    pytest.param(a_model_without_weights, ("cannot be loaded",), id="no weights"),
    pytest.param(damaged_weights, ("cannot be loaded",), id="damaged weights"),
    pytest.param(code_of_its_own, ("cannot be loaded",), id="code of its own"),
]


@pytest.mark.parametrize(("make", "words"), MODELS)
def test_a_folder_that_is_no_model_is_answered(
    tmp_path: Path, make: Callable[[Path], object], words: tuple[str, ...]
) -> None:
    make(tmp_path)
    answer = asked(tmp_path, FROZEN.format("text", "./net"))
    holds(answer, *words, "Give a folder that save_pretrained of transformers wrote")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ('published.text_backbone={kind="given"}', LITE),
            ("table has raw text, and no network is chosen",),
        ),
        ((FROZEN.format("text", "efficientnet-lite0"),), ("looks at images and reads",)),
        (('published.text_backbone={kind="frozen",max_tokens=1}',), ("got 1", "cut off there")),
        (('published.audio_backbone={kind="frozen",max_seconds=inf}',), ("finite number",)),
        ((FROZEN.format("audio", "x"),), ("table has no raw sounds that a network could read",)),
    ],
    ids=["no network", "another kind", "tokens", "seconds", "nothing to read"],
)
def test_a_backbone_that_cannot_be_is_answered(
    tmp_path: Path, overrides: tuple[str, ...], words: tuple[str, ...]
) -> None:
    holds(asked(tmp_path, *overrides), *words)


# Images.


def bytes_of(image: Image.Image, kind: str, folder: Path) -> bytes:
    path = folder / f"made.{kind}"
    image.save(path)
    content = path.read_bytes()
    path.unlink()
    return content


def bomb(folder: Path) -> bytes:
    """A PNG whose header claims four billion pixels."""
    content = bytearray(bytes_of(Image.new("RGB", (4, 4)), "png", folder))
    content[16:24] = struct.pack(">II", 65535, 65535)
    return bytes(content)


IMAGES: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda folder: b"",
    "text": lambda folder: b"hello",
    "cut off": lambda folder: bytes_of(Image.new("RGB", (64, 64)), "png", folder)[:60],
    "a bomb": bomb,
    "a script": lambda folder: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n",
}


@pytest.mark.parametrize("content", IMAGES.values(), ids=IMAGES)
def test_a_file_that_is_no_image_is_answered(
    tmp_path: Path, content: Callable[[Path], bytes]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content(tmp_path))
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read as an image \(.*\)\. Mend the"):
        reader(np.asarray)([str(path)])
    assert snapshot(tmp_path) == before


def test_an_image_that_cannot_be_read_leaves_no_folder_of_features(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"hello")
    settings = backbones.settings.FrozenImages(model="efficientnet-lite0", output="mean")
    raw = Raw("image", (str(tmp_path / "a.jpg"),))
    missing = backbones.views.Missing(
        backbones.Chosen("vision", settings), View(tmp_path / "out" / "f" / "v", 1280), (raw, raw)
    )
    with pytest.raises(DataError, match="cannot be read as an image"):
        backbones.compute(missing)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
