"""What `train` says, as lines of text."""

from collections.abc import Sequence
from pathlib import Path

from mmsearch.train.asking import Request
from mmsearch.train.card import Card
from mmsearch.train.conditions import Comparison, distance
from mmsearch.trial import Observation


def opening(request: Request, other: Sequence[str]) -> list[str]:
    """What is about to be trained, and how its curve will be compared."""
    card, seed = request.card, request.seed
    study = card.study
    told = f"seed {seed.study}, replicate {seed.replicate}, up to {request.epochs} epochs"
    return [
        f"{study.name}, trial {card.provenance.trial}: {study.method} on {study.dataset}, {told}",
        f"  {_comparison(request, other)}",
        *(f"    {difference}" for difference in other),
    ]


def _comparison(request: Request, other: Sequence[str]) -> str:
    why = request.incomparable()
    if why is not None:
        return f"the curve is compared with none: {why}"
    if other:
        return (
            f"the curve must be within {request.tolerance:.2%} of the recorded one, "
            "as the conditions are others:"
        )
    if request.card.provenance.hardware.get("gpus"):
        return f"the curve must be within {request.tolerance:.2%} of the recorded one, on a GPU"
    return "the conditions are the recorded ones: the curve must be equal bit for bit"


def epoch(card: Card, observation: Observation) -> str:
    """One epoch, in a line."""
    metric = card.study.objective.metric
    return f"  epoch {observation.epoch}  {metric} {observation.metrics[metric]:.4f}"


def closing(
    request: Request,
    observation: Observation,
    found: Sequence[float],
    compared: Comparison | None,
) -> list[str]:
    """What came of it.

    Args:
        request: what was asked for.
        observation: of the epoch that the value is from.
        found: the objective by epoch.
        compared: with the recorded curve, if it was.
    """
    card = request.card
    shown = "  ".join(f"{name} {value:.4f}" for name, value in observation.valid.items())
    lines = [f"  valid at epoch {observation.epoch}: {shown}"]
    if compared is not None:
        lines.append(f"  {_verdict(card, found, compared)}")
    return [
        *lines,
        f"  curves      tensorboard --logdir {request.folder / 'tensorboard'}",
        f"  checkpoint  {request.folder / 'checkpoint'}",
    ]


def _verdict(card: Card, found: Sequence[float], compared: Comparison) -> str:
    metric, common = card.study.objective.metric, min(len(found), len(card.curve))
    if compared.equal and compared.agrees:
        return f"the curve is the recorded one, bit for bit, over {common} epochs"
    if compared.agrees:
        return f"the curve agrees: at most {compared.farthest:.2%} apart, over {common} epochs"
    assert compared.first is not None, "an epoch disagrees"
    if compared.first > common:
        return (
            f"the curve does not agree: it ends after epoch {len(found)}, "
            f"the recorded one after epoch {len(card.curve)}"
        )
    recorded, here = card.curve[compared.first - 1], found[compared.first - 1]
    return (
        f"the curve does not agree: at epoch {compared.first} {metric} was {recorded!r} on record "
        f"and is {here!r} here, {distance(recorded, here):.2%} apart"
    )


def exported(folder: Path) -> list[str]:
    """Where an export lies and how it is used."""
    return [f"  exported    {folder}: weights, model card, and load.py, which predicts new rows"]
