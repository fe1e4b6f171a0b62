"""A study as a search could have left it, drawn at will: for pages and tables of any size."""

from dataclasses import replace

import numpy as np
from toy_schema import schema_of

from mmsearch import study as studies
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.trial import (
    Checkpoint,
    Completed,
    Failed,
    Observation,
    Record,
    Running,
    Segment,
    Stopped,
    Trial,
)

FILE = """
method  = "toy"
dataset = "toys"
seed    = 3

[objective]
metric    = "valid/mae"
direction = "minimize"

[budget]
trials     = {trials}
max_epochs = {epochs}

[scheduler]
kind       = "halving"
first_rung = 3
reduction  = 3

[published]
rate   = 5e-5
weight = 0.1
limit  = 2.0

[space]
rate      = {{ log_uniform = [1e-6, 1e-3] }}
weight    = {{ zero_or_log_uniform = [1e-3, 1.0] }}
power     = {{ uniform = [1.0, 3.0] }}
estimator = {{ choice = ["cpc", "mmilb", "none"] }}
flag      = {{ choice = [true, false] }}

[space.fusion]
concat    = {{}}
low_rank  = {{ rank = {{ int_log_uniform = [2, 16] }} }}
attention = {{ heads = {{ choice = [1, 2, 4] }} }}
"""
BEGAN = 1_790_000_000.0
NODES = ("alpha", "beta")
EPOCH_S = 2.0


def a_study(*, trials: int = 60, epochs: int = 27, others: str = "") -> Study:
    text = FILE.format(trials=trials, epochs=epochs)
    text = text.replace('"minimize"\n', f'"minimize"\n{others}\n', 1)
    return studies.loads(text, place="toy.toml", schema_of=schema_of, name="toy")


def a_record(study: Study, *, trials: int | None = None, seed: int = 0) -> Record:
    """Halving with what each trial comes to known to depend on `rate` and `fusion` alone.

    Of the trials that are not published one in twenty fails, and the last one is running.
    """
    rng = np.random.default_rng(seed)
    count = study.budget.trials if trials is None else trials
    made: list[Trial] = []
    free = [BEGAN] * 4
    for number in range(count):
        gang = int(np.argmin(free))
        trial = _trial(study, number, rng, begun=free[gang], node=NODES[gang % 2])
        if number == count - 1 > 0:
            trial = replace(trial, state=Running(), ended_at=None)
        made.append(trial)
        free[gang] += trial.epoch * EPOCH_S + 1.0
    return Record(
        name=study.name,
        metric=study.objective.metric,
        direction=study.objective.direction,
        study_text=study.text,
        provenance={"commit": "0" * 40, "hardware": {"cpu": "toy </script> & co"}},
        trials=tuple(made),
    )


def worth(study: Study, config: dict[str, object]) -> float:
    """What a configuration comes to after full training, but for noise."""
    fusion = config["fusion"]
    assert isinstance(fusion, dict)
    arm = {"concat": 0.05, "low_rank": 0.0, "attention": 0.15}[fusion["kind"]]
    return 0.5 + 0.04 * abs(float(np.log10(float(str(config["rate"])))) + 4.0) + arm


def _trial(
    study: Study, number: int, rng: np.random.Generator, *, begun: float, node: str
) -> Trial:
    config = study.configuration(study.space.assign(lambda name, p: _drawn(p, rng)))
    config = config if number else dict(study.published)
    final, speed = worth(study, config) + 0.01 * rng.normal(), rng.uniform(0.1, 0.5)
    full = study.budget.max_epochs
    rungs = study.scheduler.rungs(full)
    stop = next((r for r in rungs if number and final > 0.58 and rng.random() < 0.7), None)
    failed = number > 0 and rng.random() < 0.05
    length = 2 if failed else stop or full
    observations = tuple(
        Observation(
            epoch,
            {
                "valid/mae": final + 0.6 * float(np.exp(-speed * epoch)) + 0.005 * rng.normal(),
                "valid/corr": 1 - final,
            },
            EPOCH_S,
        )
        for epoch in range(1, length + 1)
    )
    value, value_epoch = study.objective.at(observations, length) or (None, None)
    reached = {r: study.objective.at(observations, r) for r in rungs if r <= length}
    state = Stopped(stop) if stop else Completed()
    return Trial(
        number=number,
        config=config,
        coordinates=study.coordinates(config),
        seed=Seed(study.seed, number),
        state=Failed("nan", "the loss is nan </script>") if failed else state,
        value=value,
        value_epoch=value_epoch,
        rungs={rung: found[0] for rung, found in reached.items() if found},
        observations=observations,
        checkpoint=Checkpoint(f"checkpoints/trial-{number:04d}", length, 1),
        segments=(Segment(node, 0, begun),),
        started_at=begun,
        ended_at=begun + length * EPOCH_S + 0.5,
    )


def _drawn(primitive: object, rng: np.random.Generator) -> object:
    values = getattr(primitive, "values", None)
    if values is not None:
        return values[rng.integers(len(values))]
    low, high = float(primitive.low), float(primitive.high)  # type: ignore[attr-defined]
    log = "log" in primitive.kind  # type: ignore[attr-defined]
    drawn = np.exp(rng.uniform(np.log(low), np.log(high))) if log else rng.uniform(low, high)
    return round(drawn) if "int" in primitive.kind else float(drawn)  # type: ignore[attr-defined]
