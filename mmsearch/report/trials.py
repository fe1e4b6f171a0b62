"""The table of all trials: one row each, for a spreadsheet or a data frame."""

import csv
import io
from collections.abc import Collection, Iterable
from pathlib import Path

from mmsearch.report.files import write_atomically
from mmsearch.report.standing import state_name
from mmsearch.trial import Failed, Observation, Record, Scalar, Trial

COLUMNS = (
    "number",
    "state",
    "value",
    "value_epoch",
    "epochs",
    "train_seconds",
    "published",
    "failure_reason",
    "failure_message",
    "seed",
    "replicate",
)
Cell = Scalar | None


def write_trials_csv(record: Record, path: Path, *, pareto: Collection[int] | None = None) -> None:
    """Write every trial of the record as a row, by number.

    After the fixed columns come the searched parameters as `config.<name>`, in the order of the
    space and empty where they do not exist, and the `valid/...` metrics of the epoch that gave
    the trial's value, and where several objectives are sought whether the trial is in the Pareto
    set, whose numbers are `pareto`. A trial's streams follow from its `seed`, `number` and
    `replicate`.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    parameters = union(trial.coordinates for trial in record.trials)
    metrics = union(metrics_at_value(trial) for trial in record.trials)
    extra = [] if pareto is None else ["pareto"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"config.{name}" for name in parameters), *metrics, *extra])
    for trial in record.trials:
        observed = metrics_at_value(trial)
        writer.writerow(
            [
                *_fixed(trial),
                *(trial.coordinates.get(name) for name in parameters),
                *(observed.get(name) for name in metrics),
                *(trial.number in (pareto or ()) for _ in extra),
            ]
        )
    write_atomically(path, text.getvalue())


def union(rows: Iterable[Iterable[str]]) -> list[str]:
    """All names, each behind the one that it follows in its row: rows of one order keep it."""
    names: list[str] = []
    for row in rows:
        place = 0
        for name in row:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


def _fixed(trial: Trial) -> list[Cell]:
    state = trial.state
    failure = (state.reason, state.message) if isinstance(state, Failed) else (None, None)
    return [
        trial.number,
        state_name(state),
        trial.value,
        trial.value_epoch,
        trial.epoch,
        trial.train_seconds,
        trial.published,
        *failure,
        trial.seed.study,
        trial.seed.replicate,
    ]


def metrics_at_value(trial: Trial) -> dict[str, float]:
    """`valid/...` metrics of the epoch that gave the trial's value; empty before any."""
    at_value = (o for o in trial.observations if o.epoch == trial.value_epoch)
    observation = next(at_value, Observation(epoch=0, metrics={}, train_seconds=0.0))
    return {k: v for k, v in observation.metrics.items() if k.startswith("valid/")}
