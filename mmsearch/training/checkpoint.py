"""A trial on disk: DeepSpeed's checkpoint of every phase, the best weights, and a fingerprint.

Unusual: loading a checkpoint of DeepSpeed unpickles, which runs whatever was pickled; so a folder
is opened only when its fingerprint says that this very trial wrote it, and when its files ask for
nothing but tensors, plain data and the few classes that DeepSpeed writes. A folder appears under
its name when it is complete, or not at all.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from mmsearch.errors import Problem, TrainingError, reason_of
from mmsearch.training.engine import Engines
from mmsearch.training.plan import Plan
from mmsearch.training.writing import Writing

FINGERPRINT = "mmsearch.json"
BEST = "best.pt"
FORMAT = 2
WRITTEN = frozenset(
    {
        "deepspeed.runtime.fp16.loss_scaler.DynamicLossScaler",
        "deepspeed.runtime.fp16.loss_scaler.LossScaler",
        "deepspeed.runtime.zero.config.ZeroStageEnum",
        "deepspeed.utils.tensor_fragment.fragment_address",
    }
)
"""Classes that DeepSpeed writes into a checkpoint."""
WAY_OUT = "Resume with what wrote it, or start the trial anew."


@dataclass(frozen=True)
class Fingerprint:
    """Whose checkpoint it is; two that differ in anything cannot continue one another."""

    method: str
    config: str
    """SHA-256 of the complete configuration."""
    data: str
    """Fingerprint of the data."""
    seed: tuple[int, int, int]
    """Study, trial, replicate."""
    world_size: int
    stage: int
    """ZeRO stage."""
    dtype: str
    """Type of the weights."""
    format: int = FORMAT


@dataclass(frozen=True)
class Standing:
    """What a trial knows of itself besides its weights."""

    epoch: int
    """Epochs done."""
    best_epoch: int
    """Epoch of the best value; 0 before the first."""
    best_value: float | None
    watched: tuple[float, ...] = ()
    """By epoch, what the learning-rate schedule watches, if it does."""


def save(
    folder: Path,
    engines: Engines,
    standing: Standing,
    best: Mapping[str, Tensor],
    *,
    fingerprint: Fingerprint,
    plan: Plan,
) -> None:
    """Writes a checkpoint; called by all workers, for which the folder must be the same one.

    Raises:
        Unwritten: on all workers, when one of them cannot write. What was there before stays.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    writing = Writing(engines.worker, partial)

    def finish() -> None:
        torch.save(dict(best), partial / BEST)
        about = {**asdict(fingerprint), "plan": asdict(plan)}
        (partial / FINGERPRINT).write_text(json.dumps(about, indent=2) + "\n")
        _move(partial, folder)

    try:
        writing.alone(lambda: _begin(partial))
        for one in engines.passes:
            with writing.guarded(one.engine):
                one.engine.save_checkpoint(
                    str(partial),
                    tag=one.phase.name,
                    client_state={"standing": asdict(standing)},
                    save_latest=False,
                    exclude_frozen_parameters=True,
                )
        writing.alone(finish)
    finally:
        if engines.worker.rank == 0:
            shutil.rmtree(partial, ignore_errors=True)


def plan_of(folder: Path) -> Plan | None:
    """The plan that a checkpoint was written under; None where it does not say."""
    try:
        return Plan(**json.loads((folder / FINGERPRINT).read_text())["plan"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(
    folder: Path, engines: Engines, *, fingerprint: Fingerprint
) -> tuple[Standing, dict[str, Tensor]]:
    """Reads a checkpoint into the engines; returns how the trial stood and its best weights.

    The best weights are read by rank 0 alone; the others get none.

    Raises:
        TrainingError: no checkpoint, another trial's, or a file of it that is damaged or asks for
            more than data; nothing was unpickled then.
    """
    _require(folder, fingerprint)
    _require_data(folder)
    state: dict[str, Any] = {}
    for one in engines.passes:
        # Frozen weights are not in the file: they are as the seed drew them.
        path, state = one.engine.load_checkpoint(
            str(folder), tag=one.phase.name, load_module_strict=False
        )
        assert path is not None, f"{folder} has no state of phase {one.phase.name}"
    best = torch.load(folder / BEST, map_location="cpu") if engines.worker.rank == 0 else {}
    standing = Standing(**state["standing"])
    return replace(standing, watched=tuple(standing.watched)), best


def weights(engines: Engines) -> dict[str, Tensor]:
    """Copy on the CPU of all that a trial has learned: trained weights and memories.

    Names are the method's own; those of networks under it are `backbones.<modality>.<name>`.
    Called by all workers, as stage 3 gathers the weights; the copy is at rank 0 alone.
    """
    learner = engines.learner
    trained = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    copies: dict[str, Tensor] = {}
    with _whole(engines, list(trained.values())):
        if engines.worker.rank == 0:
            fixed = {name for name, _ in learner.named_parameters()} - trained.keys()
            copies = {
                name.removeprefix("method."): value.detach().to("cpu", copy=True)
                for name, value in learner.state_dict().items()
                if name not in fixed
            }
    return copies


def restore(engines: Engines, best: Mapping[str, Tensor]) -> None:
    """Puts a copy by `weights` back into training, at stage 0; called by all workers.

    The copy is at rank 0 alone, which tells the others.
    """
    assert engines.stage == 0, "weights of other stages lie in the optimiser"
    rank, world_size = engines.worker.rank, engines.worker.world_size
    learner = engines.learner
    fixed = {name for name, p in learner.named_parameters() if not p.requires_grad}
    with torch.no_grad():
        for name, value in learner.state_dict().items():
            if name in fixed:
                continue
            if rank == 0:
                value.copy_(best[name.removeprefix("method.")])
            if world_size > 1:
                distributed.broadcast(value, src=0)


def _whole(engines: Engines, parameters: list[torch.nn.Parameter]) -> AbstractContextManager[Any]:
    """Context in which weights are complete on every worker."""
    import deepspeed

    return deepspeed.zero.GatheredParameters(parameters, enabled=engines.stage == 3)


def _require(folder: Path, expected: Fingerprint) -> None:
    path = folder / FINGERPRINT
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        rule = f"not a checkpoint that mmsearch wrote, it has no readable {FINGERPRINT}"
        raise TrainingError(Problem(str(folder), rule, WAY_OUT)) from error
    if not isinstance(found, dict):
        rule = f"not a checkpoint that mmsearch wrote, {FINGERPRINT} is no table"
        raise TrainingError(Problem(str(folder), rule, WAY_OUT))
    for name, value in json.loads(json.dumps(asdict(expected))).items():
        if found.get(name) != value:
            raise TrainingError(
                Problem(
                    str(folder),
                    f"a checkpoint of another trial: {name} is {found.get(name)!r}, not {value!r}",
                    WAY_OUT,
                )
            )


def _require_data(folder: Path) -> None:
    for path in sorted(folder.rglob("*.pt")):
        try:
            asked = set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - WRITTEN
        except Exception as error:
            rule = f"cannot be read as a part of a checkpoint ({reason_of(error)})"
            raise TrainingError(Problem(str(path), rule, WAY_OUT)) from error
        if asked:
            rule = f"asks for {', '.join(sorted(asked))}, which DeepSpeed does not write"
            raise TrainingError(Problem(str(path), rule, WAY_OUT))


def _begin(partial: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    # No more of the path is made: where its disk is away, nothing is to be left in its place.
    partial.parent.mkdir(exist_ok=True)
    partial.mkdir()


def _move(partial: Path, folder: Path) -> None:
    """Renames into place; an older folder of that name goes only once the new one is there."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    try:
        partial.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
