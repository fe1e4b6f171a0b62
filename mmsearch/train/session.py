"""One training of a card: check everything, train, compare, leave what is asked for."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.progress import Progress

from mmsearch import methods, metrics, provenance
from mmsearch.cluster.features import compute, planned
from mmsearch.cluster.quiet import engines_hushed
from mmsearch.curves import Curves
from mmsearch.datasets import SearchData
from mmsearch.errors import ConflictError, Problem
from mmsearch.train import export, talk
from mmsearch.train.asking import Request
from mmsearch.train.card import Card
from mmsearch.train.conditions import Comparison, compare, differences
from mmsearch.train.curve import Curve
from mmsearch.train.gang import Job, carry_out
from mmsearch.trial import Completed, Failed, Observation, Trial

CHECKPOINT = "checkpoint"


def run(request: Request) -> bool:
    """Trains; returns whether the curve agrees with the recorded one, or is not to.

    Raises:
        MmsearchError: a mistake of the user; nothing was trained and nothing written.
    """
    card = request.card
    views = planned(card.study, request.out)
    _same_data(card, views.data)
    if request.export is not None:
        export.check(request.export, methods.complete(card.study.method, card.config))
    other = differences(
        card,
        provenance.collect(views.data.fingerprint),
        workers=card.study.resources.workers,
        threads=request.threads,
    )
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(*talk.opening(request, other), sep="\n")
    with engines_hushed() as quiet:
        console = Console(file=quiet.terminal, markup=False, highlight=False, soft_wrap=True)
        compute(views, console)
        curve, failed = _sit(request, views.data, other, console)
        quiet.log_to(request.folder / "train.log")
    if failed:
        print(f"training came to nothing after epoch {len(curve.observations)}: {failed.message}")
        return False
    return _close(request, curve, views.data, other)


def _same_data(card: Card, data: SearchData) -> None:
    """Whether this is the data that the card's configuration was trained on.

    Raises:
        ConflictError: it is other data.
    """
    recorded = card.provenance.fingerprints["data"]
    if data.fingerprint != recorded:
        rule = (
            f"{card.study.dataset} is not the data that the card was made from "
            f"(SHA-256 {recorded}), got {data.fingerprint}"
        )
        raise ConflictError(Problem(str(card.path), rule, "Bring back the files, or name --data."))


def _sit(
    request: Request, data: SearchData, other: Sequence[str], console: Console
) -> tuple[Curve, Failed | None]:
    """Trains what is missing."""
    card, folder = request.card, request.folder
    curve = Curve.at(folder, _under(request, data, other))
    if curve.finished:
        console.print(f"  it is trained already, in {folder}")
        return curve, None
    resume = bool(curve.observations) and (folder / CHECKPOINT).is_dir()
    if not resume:
        curve.observations.clear()
        for part in ("tensorboard", CHECKPOINT):
            shutil.rmtree(folder / part, ignore_errors=True)
    curve.write()
    names = metrics.observed(data.task.metrics)
    curves = Curves(folder / "tensorboard", card.study, metrics=names)
    trial = Trial(
        card.provenance.trial,
        card.config,
        card.study.coordinates(card.config),
        request.seed,
        observations=tuple(curve.observations),
    )
    curves.began(trial)
    job = Job(
        card.study,
        card.config,
        request.seed,
        data,
        request.epochs,
        request.threads,
        folder / CHECKPOINT,
    )
    with Progress(console=console, transient=True) as bar:
        line = bar.add_task("  training", total=request.epochs, completed=len(curve.observations))

        def hear(observation: Observation) -> None:
            curve.add(observation)
            curves.observed(trial, [observation])
            told = talk.epoch(card, observation)
            bar.update(line, completed=observation.epoch, description=told)
            if not console.is_terminal:
                console.print(told)

        failed = carry_out(job, hear, resume=resume)
    if failed is None:
        curve.finish()
        curves.ended(replace(trial, state=Completed(), observations=tuple(curve.observations)))
    return curve, failed


def _under(request: Request, data: SearchData, other: Sequence[str]) -> Mapping[str, Any]:
    """What two sittings must share for the second to go on from the first."""
    return {
        "config": dict(request.card.config),
        "seed": asdict(request.seed),
        "epochs": request.epochs,
        "data": data.fingerprint,
        "other": list(other),
        "deepspeed": dict(request.card.study.deepspeed),
    }


def _close(request: Request, curve: Curve, data: SearchData, other: Sequence[str]) -> bool:
    card, objective = request.card, request.card.study.objective
    found = [one.metrics[objective.metric] for one in curve.observations]
    best = objective.at(tuple(curve.observations), len(found))
    assert best is not None, "an epoch at least was trained"
    observation = curve.observations[best[1] - 1]
    compared: Comparison | None = None
    if request.incomparable() is None:
        on_gpu = bool(card.provenance.hardware.get("gpus"))
        strict = not other and not on_gpu
        compared = compare(card.curve, found, tolerance=0.0 if strict else request.tolerance)
    print(*talk.closing(request, observation, found, compared), sep="\n")
    if request.export is not None:
        export.write(request, observation, data, folder=request.folder / CHECKPOINT)
        print(*talk.exported(request.export), sep="\n")
    return compared is None or compared.agrees
