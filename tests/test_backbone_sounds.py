"""Sound networks: what is heard of a file equals the feature extractor and the network by hand."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_backbones as toy
from numpy.typing import NDArray
from torch import Tensor

from mmsearch.backbones.network import Source
from mmsearch.backbones.settings import FineTunedSounds, FrozenSounds
from mmsearch.backbones.views import mapped
from mmsearch.errors import StudyError

NORMS = ("group", "layer")
SECONDS = (0.3, 0.12, 0.5, 0.21)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Sounds of several lengths, at the networks' rate."""
    folder = tmp_path_factory.mktemp("sounds")
    return [
        toy.sound(folder / f"{number}.wav", seconds, seed=number)
        for number, seconds in enumerate(SECONDS)
    ]


def samples(path: str) -> NDArray[np.float32]:
    import soundfile

    return soundfile.read(path, dtype="float32")[0]


def by_transformers(folder: Path, sounds: list[NDArray[np.float32]]) -> list[Tensor]:
    """Real steps of the last layer: padded together with a mask, or one by one without."""
    from transformers import AutoFeatureExtractor, AutoModel

    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    groups = [sounds] if extractor.return_attention_mask else [[one] for one in sounds]
    rows: list[Tensor] = []
    for group in groups:
        read = extractor(group, sampling_rate=toy.RATE, padding=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**read).last_hidden_state
        lengths = model._get_feat_extract_output_lengths(torch.tensor([len(one) for one in group]))
        rows += [row[:length] for row, length in zip(states, lengths.tolist(), strict=True)]
    return rows


def kept(tmp_path: Path, files: list[str], settings: dict[str, Any]) -> list[Tensor]:
    """Each sound's real steps in the view of train."""
    data = toy.raw_data("sound", train=files, valid=files[:2])
    (view,) = toy.computed(toy.study({"audio_backbone": settings}), data, tmp_path).views.values()
    values, lengths = mapped(view, "train")
    return [row[:length] for row, length in zip(values, lengths.tolist(), strict=True)]


def frozen(model: Path, output: str) -> dict[str, Any]:
    return {"kind": "frozen", "model": str(model), "output": output, "max_seconds": 1.0}


def reading(model: Path, **settings: Any) -> Source:
    return toy.source("audio", FrozenSounds(model=str(model), max_seconds=1.0, **settings))


@pytest.mark.parametrize("output", ["mean", "steps"])
@pytest.mark.parametrize("norm", NORMS)
def test_frozen_features_are_those_of_extractor_and_network(
    networks: Path, tmp_path: Path, files: list[str], norm: str, output: str
) -> None:
    wanted = by_transformers(networks / norm, [samples(file) for file in files])
    if output == "mean":
        wanted = [row.mean(dim=0, keepdim=True) for row in wanted]
    found = kept(tmp_path, files, frozen(networks / norm, output))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_another_sampling_rate_and_stereo_become_one_channel_at_the_networks_rate(
    networks: Path, tmp_path: Path, rate: int
) -> None:
    from scipy.signal import resample
    from transformers import AutoFeatureExtractor

    path = toy.sound(tmp_path / "stereo.wav", 0.4, rate=rate, channels=2)
    mixed = samples(path).mean(axis=1)
    # In the frequency domain, where the room filters in time.
    wanted = resample(mixed, int(len(mixed) * toy.RATE / rate))
    extractor = AutoFeatureExtractor.from_pretrained(networks / "layer")
    wanted = extractor(wanted, sampling_rate=toy.RATE, return_tensors="np")["input_values"][0]
    (found,) = reading(networks / "layer").read([path]).values
    assert len(found) == pytest.approx(len(wanted), abs=1)
    inner = slice(400, -400)
    assert np.corrcoef(found[inner], wanted[: len(found)][inner])[0, 1] > 0.999
    assert found.std() == pytest.approx(1.0, abs=1e-3)


def test_a_sound_is_cut_at_max_seconds(networks: Path, tmp_path: Path) -> None:
    path = toy.sound(tmp_path / "long.wav", 2.0)
    settings = {**frozen(networks / "layer", "steps"), "max_seconds": 0.5}
    (found, *_) = kept(tmp_path, [path, path], settings)
    (wanted,) = by_transformers(networks / "layer", [samples(path)[: toy.RATE // 2]])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_nearly_nothing_is_heard_as_a_short_silence(
    networks: Path, tmp_path: Path, norm: str
) -> None:
    import soundfile

    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0), toy.RATE)
    states, lengths = toy.states(reading(networks / norm), [str(path)])
    assert states.isfinite().all()
    assert lengths.tolist() == [states.shape[1]]
    assert states.shape[1] > 1


@pytest.mark.parametrize("norm", NORMS)
def test_frozen_features_do_not_depend_on_what_else_is_computed(
    networks: Path, tmp_path: Path, files: list[str], norm: str
) -> None:
    settings = frozen(networks / norm, "steps")
    together = kept(tmp_path / "all", files, settings)
    pair = kept(tmp_path / "two", [files[3], files[1]], settings)
    torch.testing.assert_close(pair, [together[3], together[1]], rtol=1e-5, atol=1e-5)


def test_a_network_that_sees_no_padding_learns_from_sounds_of_one_length(
    networks: Path, files: list[str]
) -> None:
    settings = FineTunedSounds(model=str(networks / "group"), max_seconds=0.6)
    found = toy.source("audio", settings)
    read = found.read(files)
    assert read.lengths.tolist() == [int(0.6 * toy.RATE)] * len(files)
    assert not read.values[1, int(0.2 * toy.RATE) :].any()
    together, lengths = toy.states(found, files)
    assert lengths.tolist() == [together.shape[1]] * len(files)
    for file, row in zip(files, together, strict=True):
        torch.testing.assert_close(toy.states(found, [file])[0][0], row, rtol=1e-5, atol=1e-5)


def test_a_network_that_sees_padding_learns_from_sounds_as_long_as_they_are(
    networks: Path, files: list[str]
) -> None:
    settings = FineTunedSounds(model=str(networks / "layer"), max_seconds=0.6)
    read = toy.source("audio", settings).read(files)
    assert read.lengths.tolist() == [int(seconds * toy.RATE) for seconds in SECONDS]


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_in_training_draws_from_torch_alone(
    networks: Path, files: list[str], norm: str
) -> None:
    found = toy.source("audio", FineTunedSounds(model=str(networks / norm), max_seconds=0.6))
    network = copy.deepcopy(found.network).train()
    read = found.read(files)
    values, lengths = torch.from_numpy(read.values), torch.from_numpy(read.lengths)

    def drawn(seed: int) -> tuple[Tensor, Any]:
        torch.manual_seed(seed)
        states = network(values, lengths)[0].detach()
        return states, np.random.get_state()[2]  # noqa: NPY002  the stream that is not to move

    first, place = drawn(5)
    second, moved = drawn(5)
    assert second.equal(first)
    assert moved == place
    assert not drawn(6)[0].equal(first), "dropout is on"


@pytest.mark.parametrize("output", ["first", "rest"])
def test_no_step_of_a_sound_sums_up_the_others(networks: Path, output: str) -> None:
    with pytest.raises(StudyError, match="has no first step that sums up, got output = "):
        reading(networks / "layer", output=output)
