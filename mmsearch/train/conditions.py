"""Whether a training has the conditions of the recorded one, and whether its curve agrees.

Unusual: equality bit for bit is asked for where everything that can move a number is as recorded,
and nowhere else; a curve that is equal all the same is said to be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch.train.card import Card

MOVING = ("python", "torch", "deepspeed", "numpy", "scikit-learn", "transformers", "tokenizers")
"""Packages whose version can move a number of a training."""


@dataclass(frozen=True)
class Comparison:
    """How two curves compare."""

    equal: bool
    """Bit for bit, as far as both go."""
    agrees: bool
    farthest: float
    """Largest distance, as a part of the recorded value."""
    first: int | None
    """Of the epochs that are too far from the recorded ones, the first."""


def differences(card: Card, now: Mapping[str, Any], *, workers: int, threads: int) -> list[str]:
    """What is not as it was recorded and can move a number, in words.

    Args:
        card: with what was recorded.
        now: as `provenance.collect` has it.
        workers: processes that train.
        threads: of one operation.
    """
    told = card.provenance
    pairs = [
        ("workers", card.workers, workers),
        ("threads", told.threads, threads),
        ("code", _short(told.fingerprints.get("code")), _short(now["fingerprints"]["code"])),
        ("processor", told.hardware.get("cpu"), now["hardware"]["cpu"]),
        ("GPUs", _gpus(told.hardware), _gpus(now["hardware"])),
        *((name, told.versions.get(name), now["versions"].get(name)) for name in MOVING),
    ]
    return list(_differing(pairs))


def _differing(pairs: Sequence[tuple[str, object, object]]) -> Iterator[str]:
    for name, recorded, here in pairs:
        if recorded != here:
            yield f"{name} {recorded or 'none'} on record, {here or 'none'} here"


def _short(digest: str | None) -> str | None:
    return digest and digest[:12]


def _gpus(hardware: Mapping[str, Any]) -> str:
    return ", ".join(hardware.get("gpus", []))


def compare(recorded: Sequence[float], found: Sequence[float], *, tolerance: float) -> Comparison:
    """Two curves, epoch by epoch, as far as both go.

    Args:
        recorded: the objective by epoch.
        found: the same, of this training.
        tolerance: how far a value may be from the recorded one, as a part of it; 0 wants the same
            bits, and the same number of epochs.
    """
    pairs = list(zip(recorded, found, strict=False))
    apart = [distance(*pair) for pair in pairs]
    too_far = [epoch for epoch, far in enumerate(apart, start=1) if far > tolerance]
    if not too_far and tolerance == 0 and len(found) < len(recorded):
        too_far = [len(found) + 1]
    first = too_far[0] if too_far else None
    equal = all(left == right for left, right in pairs)
    return Comparison(equal, first is None, max(apart, default=0.0), first)


def distance(recorded: float, found: float) -> float:
    """How far a value is from the recorded one, as a part of it; infinite from zero."""
    if recorded == found:
        return 0.0
    return abs(found - recorded) / abs(recorded) if recorded else float("inf")
