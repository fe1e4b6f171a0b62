"""The `[deepspeed]` table: what is passed to DeepSpeed, what mmsearch sets, and where they clash.

Unusual: values are checked by DeepSpeed's own models, but only where a study has the table, since
importing them takes seconds.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from mmsearch import methods, metrics
from mmsearch.datasets.task import Task
from mmsearch.errors import Problem, TrainingError, closest
from mmsearch.methods.base import Method, MethodConfig
from mmsearch.space.schema import rule_of, shown
from mmsearch.study import COST, Study
from mmsearch.training.worker import Worker

SET_BY_MMSEARCH: Mapping[str, str] = {
    "train_batch_size": "Set batch_size in [published] or [space].",
    "train_micro_batch_size_per_gpu": (
        "Set batch_size in [published] or [space], and workers in [resources]."
    ),
    "gradient_accumulation_steps": "Set accumulation in [published] or [space].",
    "managed_gradient_accumulation": (
        "Set accumulation and accumulation_tail in [published] or [space]."
    ),
    "gradient_clipping": "Set gradient_clipping in [published] or [space].",
    "optimizer": "Set the method's learning rates and weight decays in [published] or [space].",
    "scheduler": "Set the method's learning rates in [published] or [space].",
    "zero_force_ds_cpu_optimizer": "Leave it out: it follows offload_optimizer.",
    "zero_allow_untested_optimizer": "Leave it out: Adam is tested.",
    "steps_per_print": "Leave it out: curves are in TensorBoard.",
}
"""Keys that a study may not write, and what to do instead."""

PASSED: Mapping[str, type] = {
    **dict.fromkeys(
        (
            "zero_optimization",
            "bf16",
            "fp16",
            "torch_autocast",
            "data_types",
            "activation_checkpointing",
            "aio",
            "comms_logger",
            "flops_profiler",
            "timers",
        ),
        Mapping,
    ),
    **dict.fromkeys(
        (
            "prescale_gradients",
            "disable_allgather",
            "wall_clock_breakdown",
            "memory_breakdown",
            "disable_python_gc",
            "dump_state",
        ),
        bool,
    ),
    "communication_data_type": str,
    "log_level": str,
    "gradient_predivide_factor": float,
}
"""Keys that are passed as they are, and what each holds."""
KINDS = {Mapping: "a table", bool: "true or false", str: "a text", float: "a number with a point"}
"""How messages call them."""


def stage(study: Study) -> int:
    """ZeRO stage of the study's engines."""
    found = _table(study, "zero_optimization").get("stage", 0)
    return found if isinstance(found, int) else 0


def offloads(study: Study) -> bool:
    """Whether the study has the optimiser's state in the machine's memory."""
    found = _table(study, "zero_optimization").get("offload_optimizer")
    return isinstance(found, Mapping) and found.get("device") in {"cpu", "nvme"}


def dtype(study: Study) -> torch.dtype:
    """Type of weights and inputs; autocast keeps both in float32."""
    if _enabled(study, "bf16"):
        return torch.bfloat16
    return torch.float16 if _enabled(study, "fp16") else torch.float32


def settings(study: Study, config: MethodConfig, worker: Worker) -> dict[str, Any]:
    """The complete DeepSpeed configuration of a trial."""
    zero = _table(study, "zero_optimization")
    return {
        # Its timer waits for the GPU at every step.
        "timers": {"throughput": {"enabled": False}},
        **study.deepspeed,
        # On by default at stage 3, where it replaces torch's linear in the process for good.
        "zero_optimization": {"memory_efficient_linear": False, **zero},
        "train_micro_batch_size_per_gpu": -(-config.batch_size // worker.world_size),
        # step() is the boundary and gradients are summed; the managed counter would average.
        "managed_gradient_accumulation": False,
        # Without the key DeepSpeed clips to 1; at stage 0 `NormedAdam` clips.
        "gradient_clipping": config.gradient_clipping if stage(study) > 0 else 0.0,
        "zero_force_ds_cpu_optimizer": False,
    }


def check(study: Study, config: MethodConfig, *, task: Task | None = None) -> None:
    """Whether this study can be trained, before anything starts.

    Args:
        study: its `[deepspeed]` table is looked at, and its objective where the task is known.
        config: the published configuration.
        task: what the data asks for; the method is built for it and asked what it needs.

    Raises:
        TrainingError: with every conflict between the table, DeepSpeed and mmsearch.
    """
    problems = [*_key_problems(study), *_value_problems(study), *_combination_problems(study)]
    if task is not None:
        method = methods.build(study.method, config.model_dump(), task)
        problems += [*stage_problems(study, method), *objective_problems(study, task)]
        problems += _variant_problems(study, task) if stage(study) and not problems else ()
    if problems:
        raise TrainingError(problems)


def objective_problems(study: Study, task: Task) -> Iterator[Problem]:
    """Whether evaluation yields the objective's metric."""
    known = metrics.observed(task.metrics)
    sought = {"metric": [study.objective], "others": study.others}
    for key, objectives in sought.items():
        for metric in (objective.metric for objective in objectives):
            if metric not in (*known, *([COST] if key == "others" else ())):
                yield Problem(
                    f"[objective] {key}",
                    f"{task.dataset} has no such metric, got {metric!r}",
                    closest(metric, known),
                )


def precision_problems(study: Study, device: torch.device) -> Iterator[Problem]:
    """What this kind of device, or DeepSpeed at this stage, cannot compute with."""
    if _enabled(study, "fp16") and device.type == "cpu":
        yield Problem(_place("fp16"), "float16 needs a GPU", "Use bf16 on CPUs.")
    if stage(study) == 0 and dtype(study) != torch.float32:
        # DeepSpeed 0.19 takes a step of Adam on building this engine, and weight decay then moves
        # every weight by its learning rate; it also sums gradients in half precision.
        yield Problem(
            _place("bf16" if _enabled(study, "bf16") else "fp16"),
            "half precision needs ZeRO stage 1 or higher",
            "Set zero_optimization = { stage = 1 }, or use torch_autocast.",
        )


def stage_problems(study: Study, method: Method) -> Iterator[Problem]:
    """What a method with several phases, or one that writes weights, cannot be trained with."""
    reloads = "goes back to its best weights (reload_best)" if method.config.reload_best else None
    for reason in (method.stage_0_reason(), reloads):
        if reason is not None and stage(study) > 0:
            yield Problem(
                _place("zero_optimization.stage"),
                f"{study.method} {reason}, which needs ZeRO stage 0",
                "Leave it out, and use torch_autocast for speed.",
            )
    if reloads and study.objective.epoch == "last":
        rule = f'{study.method} {reloads}, of which epoch = "last" keeps none'
        yield Problem("[objective] epoch", rule, 'Set epoch = "best", or reload_best = false.')


def _variant_problems(study: Study, task: Task) -> Iterator[Problem]:
    """Choices of the space with which the method needs stage 0 and the published one does not."""
    for change, config in study.variants():
        method = methods.build(study.method, config, task)
        for problem in stage_problems(study, method):
            way_out = "Leave it out, or take that choice out of [space]."
            yield replace(problem, rule=f"with {change} {problem.rule}", way_out=way_out)


def _place(key: str) -> str:
    return f"[deepspeed] {key}"


def _enabled(study: Study, precision: str) -> bool:
    return _table(study, precision).get("enabled", False) is True


def _table(study: Study, key: str) -> Mapping[str, Any]:
    """A table of the study's, empty where it is absent or not a table."""
    found = study.deepspeed.get(key, {})
    return found if isinstance(found, Mapping) else {}


def _key_problems(study: Study) -> Iterator[Problem]:
    for key, value in study.deepspeed.items():
        if key in SET_BY_MMSEARCH:
            rule = f"mmsearch sets this itself, got {shown(value)}"
            yield Problem(_place(key), rule, SET_BY_MMSEARCH[key])
        elif key not in PASSED:
            rule = f"not a key that mmsearch passes to DeepSpeed, got {shown(value)}"
            yield Problem(_place(key), rule, closest(key, tuple(PASSED)))
        elif not isinstance(value, PASSED[key]):
            rule = f"expected {KINDS[PASSED[key]]}, got {shown(value)}"
            yield Problem(_place(key), rule, DOCUMENTED)


def _value_problems(study: Study) -> Iterator[Problem]:
    """What DeepSpeed's own models say of the tables that have one."""
    tables = {key: _table(study, key) for key in _MODELLED if _table(study, key)}
    if not tables:
        return
    models = _models()
    for key, table in tables.items():
        known = [
            name
            for field, info in models[key].model_fields.items()
            for name in (field, info.alias)
            if name
        ]
        unknown = [name for name in table if name not in known]
        for name in unknown:
            rule = f"DeepSpeed has no such key, got {shown(table[name])}"
            yield Problem(_place(f"{key}.{name}"), rule, closest(name, known))
        yield from _misfits(key, models[key], {k: v for k, v in table.items() if k in known})


DOCUMENTED = "DeepSpeed's documentation of its configuration says what it takes."
_MODELLED = ("zero_optimization", "bf16", "fp16")


def _models() -> dict[str, type[BaseModel]]:
    if not torch.cuda.is_available():
        # Unasked, DeepSpeed warns that it looked for a GPU; each worker says its own in `join`.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from deepspeed.runtime.precision_config import DeepSpeedBF16Config, DeepSpeedFP16Config
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    models = (DeepSpeedZeroConfig, DeepSpeedBF16Config, DeepSpeedFP16Config)
    return dict(zip(_MODELLED, models, strict=True))


def _misfits(key: str, model: type[BaseModel], table: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        model(**table)
    except ValidationError as error:
        for detail in error.errors():
            name = ".".join([key, *map(str, detail["loc"])])
            yield Problem(_place(name), rule_of(detail), DOCUMENTED)


def _combination_problems(study: Study) -> Iterator[Problem]:
    zero = _table(study, "zero_optimization")
    precisions = [p for p in ("bf16", "fp16", "torch_autocast") if _enabled(study, p)]
    if len(precisions) > 1:
        rule = f"cannot be enabled together with {precisions[0]}"
        yield Problem(_place(precisions[1]), rule, "Keep one of them.")
    yield from precision_problems(
        study, torch.device("cpu" if study.resources.gpus_per_worker == 0 else "cuda")
    )
    if zero.get("overlap_comm") and stage(study) < 2:
        yield Problem(
            _place("zero_optimization.overlap_comm"),
            "summed accumulation allows it from stage 2 on",
            "Leave it out, or use stage 2 or 3.",
        )
    for name, least in (("offload_optimizer", 1), ("offload_param", 3)):
        if zero.get(name) and stage(study) < least:
            yield Problem(
                _place(f"zero_optimization.{name}"),
                f"needs ZeRO stage {least} or higher",
                f"Set stage = {least}, or leave it out.",
            )
