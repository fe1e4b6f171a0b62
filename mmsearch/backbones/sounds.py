"""Sound networks: a file to samples at the rate a network wants, and samples to its last layer.

Networks that take samples are read: wav2vec 2.0, HuBERT, WavLM and their like.

Unusual: those that normalise over a whole sound (wav2vec 2.0 base) are not to be told where padding
begins, and padding changes what they give; where they learn along, every sound is padded to the
same length, so that no example depends on its batch-mates.
"""

from collections.abc import Sequence
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from torch import Tensor

from mmsearch.backbones import hub
from mmsearch.backbones.network import Inputs, Network, Source, Steps, missing
from mmsearch.backbones.settings import Learning, Sounds
from mmsearch.encoders.steps import real_steps
from mmsearch.errors import DataError, Problem, StudyError, reason_of

FASTEST = 1_000_000
"""Samples a second; a file that claims more is read as one of so many."""
SHORTEST_S = 0.1
"""Shorter sounds are padded with silence."""


class SoundNetwork(Network):
    """A network over samples; the silence that spectrum masking and dropped layers bring is off."""

    has_first = False

    def __init__(self, model: Any, *, masked: bool) -> None:
        super().__init__()
        self.model = model
        self.width = model.config.hidden_size
        self.masked = masked
        """Whether the network is told where padding begins."""

    def forward(
        self, inputs: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Steps:
        """Hidden states of the last layer, one for each window of samples."""
        values = inputs.to(next(self.model.parameters()).dtype)
        mask = real_steps(lengths, inputs.shape[1]).long() if self.masked else None
        states = self.model(values, attention_mask=mask).last_hidden_state
        windows = self.model._get_feat_extract_output_lengths(lengths)  # noqa: SLF001
        return states, windows.clamp(max=states.shape[1]).to(lengths.dtype)


def source(settings: Sounds) -> Source:
    """The network of these settings.

    Raises:
        StudyError: it is not there, or takes no samples.
    """
    model = hub.load_model(settings.model)
    if not hasattr(model, "_get_feat_extract_output_lengths"):
        rule = f"is a {type(model).__name__}, which takes no samples of sound"
        way_out = "Choose one like wav2vec 2.0, HuBERT or WavLM."
        raise StudyError(Problem(f"model {settings.model!r}", rule, way_out))
    extractor = hub.load_part(settings.model, "AutoFeatureExtractor")
    # Both draw from other random streams than ours.
    model.config.apply_spec_augment, model.config.layerdrop = False, 0.0
    masked = bool(extractor.return_attention_mask)
    even = isinstance(settings, Learning) and not masked

    def read(paths: Sequence[str]) -> Inputs:
        sounds = [_samples(path, extractor, settings.max_seconds) for path in paths]
        return _padded(sounds, int(settings.max_seconds * extractor.sampling_rate) if even else 0)

    network, identity = SoundNetwork(model, masked=masked), hub.identity(settings.model, model)
    silence = np.zeros(extractor.sampling_rate, dtype=np.float32)
    return Source(network, read, identity, _padded([silence], 0), rows=32 if masked else 1)


def _padded(sounds: Sequence[Float32[np.ndarray, " _samples"]], even: int) -> Inputs:
    """Padded with zeros to the longest, or to an even length, which then counts as real."""
    lengths = np.array([even or len(sound) for sound in sounds], dtype=np.int64)
    values = np.zeros((len(sounds), int(lengths.max())), dtype=np.float32)
    for row, sound in enumerate(sounds):
        values[row, : len(sound)] = sound
    return Inputs(values, lengths)


def _samples(path: str, extractor: Any, seconds: float) -> Float32[np.ndarray, " samples"]:
    """One channel at the network's rate, normalised as it wants.

    Raises:
        DataError: the file is no sound, or damaged.
    """
    try:
        import soundfile
    except ImportError as error:
        raise missing("of sounds", "soundfile") from error
    try:
        with Path(path).open("rb") as opened, soundfile.SoundFile(opened) as file:
            rate = min(file.samplerate, FASTEST)
            channels = file.read(int(seconds * rate), dtype="float32", always_2d=True)
    except Exception as error:
        said = getattr(error, "strerror", None) or getattr(error, "error_string", None)
        rule = f"cannot be read as a sound ({(said or reason_of(error)).rstrip('.')})"
        raise DataError(Problem(path, rule, "Mend the file, or leave its row out.")) from error
    from scipy.signal import resample_poly

    wanted = extractor.sampling_rate
    sound = channels.mean(axis=1)
    if not np.isfinite(sound).all():
        wrong = sound[~np.isfinite(sound)][0]
        rule = f"expected finite samples, got {wrong}"
        raise DataError(Problem(path, rule, "Mend the file, or leave its row out."))
    if rate != wanted:
        common = gcd(rate, wanted)
        sound = resample_poly(sound, wanted // common, rate // common)
    sound = np.pad(sound, (0, max(0, int(SHORTEST_S * wanted) - len(sound))))
    made = extractor(sound[: int(seconds * wanted)], sampling_rate=wanted, return_tensors="np")
    return np.asarray(made["input_values"][0], dtype=np.float32)
