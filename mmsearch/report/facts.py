"""All that the page shows, as plain data: what a browser draws is computed and tested here.

Unusual: this is the page's whole interface to its script. A section more is a function here and a
file in `html/`. Numbers that are not finite are None, since JSON has no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any, cast

from mmsearch.report.importances import importances
from mmsearch.report.latex import best_table, space_table
from mmsearch.report.ranks import advice, agreement
from mmsearch.report.spending import spending
from mmsearch.report.standing import lead, state_name, summary
from mmsearch.report.timeline import gpus_per_trial, progress, stretches
from mmsearch.report.toml import HEADER, shared
from mmsearch.report.trials import metrics_at_value, union
from mmsearch.study import Study, pareto_set, values
from mmsearch.trial import Completed, Failed, Record, Stopped, Trial

Json = dict[str, Any]
MOST_CURVE_VALUES = 120_000
"""Values of curves in a page: those of the objective always, of other metrics while they fit."""
DIGITS = 5
"""Of values of curves; the table's are whole."""


def facts(
    record: Record, study: Study, *, written_at: float, race: Mapping[str, Any] | None = None
) -> Json:
    """The record as JSON can hold it.

    Args:
        record: as it stands.
        study: what is searched.
        written_at: now, in seconds since 1970 (UTC).
        race: what the study's files say of a race and of test, as it is shown.
    """
    texts, chosen = shared(record)
    metrics = union(metrics_at_value(trial) for trial in record.trials)
    curves = _curve_metrics(record, study)
    ranks = agreement(record, study)
    found: Json = {
        "study": _study(record, study),
        "written_at": written_at,
        "counts": summary(record).counts,
        "incumbent": record.incumbent.number if record.incumbent else None,
        "lead": asdict(ahead) if (ahead := lead(record)) else None,
        "parameters": _parameters(record, study),
        "metrics": metrics,
        "curves": curves,
        "toml": {"header": HEADER, "pieces": texts},
        "trials": [
            _trial(trial, study, metrics, curves) | {"pieces": pieces}
            for trial, pieces in zip(record.trials, chosen, strict=True)
        ],
        "progress": [asdict(point) for point in progress(record)],
        "gpus_per_trial": gpus_per_trial(record, study),
        "pareto": list(pareto_set(study, record.trials)) if study.others else None,
        "importances": [asdict(one) for one in importances(record, study)],
        "ranks": [asdict(one) for one in ranks],
        "advice": advice(record, study, ranks),
        "spending": asdict(spending(record, study)),
        "latex": {"best": best_table(record, study), "space": space_table(study)},
        "race": race or None,
        "provenance": record.provenance,
    }
    return cast("Json", finite(found))


def finite(value: object) -> object:
    """The same with None for each number that is not finite."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return {key: finite(one) for key, one in table.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(one) for one in cast("Sequence[object]", value)]
    return value


def _study(record: Record, study: Study) -> Json:
    return {
        "name": record.name,
        "method": study.method,
        "dataset": study.dataset,
        "seed": study.seed,
        "generation": record.generation,
        "hash": study.hash,
        "objectives": [asdict(one) for one in (study.objective, *study.others)],
        "trials": study.budget.trials,
        "max_epochs": study.budget.max_epochs,
        "rungs": study.scheduler.rungs(study.budget.max_epochs),
        "sampler": study.sampler.kind,
        "scheduler": study.scheduler.kind,
        "workers": study.resources.workers,
        "text": record.study_text,
    }


def _parameters(record: Record, study: Study) -> list[Json]:
    """The parameters in the order of the space, with the values that trials have."""
    rows: list[Json] = []
    for row in study.space.describe():
        given = [t.coordinates[row.name] for t in record.trials if row.name in t.coordinates]
        named = row.kind in {"choice", "branch"}
        rows.append(
            {
                **asdict(row),
                "log": "log" in row.kind,
                "choices": _choices(row.values, given) if named else None,
            }
        )
    return rows


def _choices(text: str, given: Sequence[Any]) -> list[Any]:
    """Values of a choice in the order of the space; those that trials had beside it come last."""
    order = {one: place for place, one in enumerate(text.split(", "))}
    known = list(dict.fromkeys(given))
    return sorted(known, key=lambda value: order.get(_word(value), len(order)))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _curve_metrics(record: Record, study: Study) -> list[str]:
    """Metrics whose curves the page holds, those of the objectives first."""
    seen = union(trial.observations[0].metrics for trial in record.trials if trial.observations)
    seen = [name for name in seen if name.startswith("valid/")]
    epochs = sum(len(trial.observations) for trial in record.trials)
    wanted = [one.metric for one in (study.objective, *study.others) if one.metric in seen]
    names = [study.objective.metric, *wanted, *seen]
    fitting = max(1, MOST_CURVE_VALUES // max(1, epochs))
    return list(dict.fromkeys(names))[:fitting]


def _trial(trial: Trial, study: Study, metrics: Sequence[str], curves: Sequence[str]) -> Json:
    observed = metrics_at_value(trial)
    row: Json = {
        "number": trial.number,
        "state": state_name(trial.state),
        "value": trial.value,
        "value_epoch": trial.value_epoch,
        "epochs": trial.epoch,
        "seconds": round(trial.train_seconds, 3),
        "coordinates": trial.coordinates,
        "metrics": [observed.get(name) for name in metrics],
        "curves": [_curve(trial, name) for name in curves],
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
        "segments": _segments(trial),
    }
    if isinstance(trial.state, Stopped):
        row["rung"] = trial.state.rung
    if isinstance(trial.state, Failed):
        row["failure"] = {"reason": trial.state.reason, "message": trial.state.message}
    if trial.attempts:
        row["attempts"] = trial.attempts
    if study.others and isinstance(trial.state, Completed):
        row["objectives"] = values(study, trial, trial.epoch)
    return row


def _segments(trial: Trial) -> list[Json]:
    return [
        {
            "node": segment.node,
            "start_epoch": segment.start_epoch,
            "started_at": segment.started_at,
            "seconds": round(stretch.seconds, 3),
        }
        for segment, stretch in zip(trial.segments, stretches(trial), strict=True)
    ]


def _curve(trial: Trial, metric: str) -> list[float | None]:
    """A metric's value after each epoch from the first on; None where it was not observed."""
    seen = {o.epoch: o.metrics.get(metric) for o in trial.observations}
    return [_rounded(seen.get(epoch)) for epoch in range(1, trial.epoch + 1)]


def _rounded(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else float(f"{value:.{DIGITS}g}")
