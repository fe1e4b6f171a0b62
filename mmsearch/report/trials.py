"""Tables of all trials and all epochs, for a spreadsheet or a data frame: CSV and Parquet."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsearch.report.files import replaced, write_atomically
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
FORMATS = (".csv", ".parquet")
"""Endings of the files that a table can be written to."""
Cell = Scalar | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns; a cell that is None is empty."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def write_trials_csv(record: Record, path: Path, *, pareto: Collection[int] | None = None) -> None:
    """Write `trial_table` as CSV.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    write_table(trial_table(record, pareto=pareto), path)


def trial_table(record: Record, *, pareto: Collection[int] | None = None) -> Table:
    """Every trial of the record as a row, by number.

    After the fixed columns come the searched parameters as `config.<name>`, in the order of the
    space and empty where they do not exist, and the `valid/...` metrics of the epoch that gave
    the trial's value, and where several objectives are sought whether the trial is in the Pareto
    set, whose numbers are `pareto`. A trial's streams follow from its `seed`, `number` and
    `replicate`.
    """
    parameters = union(trial.coordinates for trial in record.trials)
    metrics = union(metrics_at_value(trial) for trial in record.trials)
    extra = [] if pareto is None else ["pareto"]
    rows: list[list[Cell]] = []
    for trial in record.trials:
        observed = metrics_at_value(trial)
        rows.append(
            [
                *_fixed(trial),
                *(trial.coordinates.get(name) for name in parameters),
                *(observed.get(name) for name in metrics),
                *(trial.number in (pareto or ()) for _ in extra),
            ]
        )
    return Table([*COLUMNS, *(f"config.{name}" for name in parameters), *metrics, *extra], rows)


def epoch_table(record: Record) -> Table:
    """Every epoch of every trial as a row: number, state, epoch, seconds, `valid/...` metrics."""
    metrics = union(o.metrics for trial in record.trials for o in trial.observations[:1])
    rows = [
        [
            trial.number,
            state_name(trial.state),
            observation.epoch,
            observation.train_seconds,
            *(observation.metrics.get(name) for name in metrics),
        ]
        for trial in record.trials
        for observation in trial.observations
    ]
    return Table(["number", "state", "epoch", "train_seconds", *metrics], rows)


def write_table(table: Table, path: Path) -> None:
    """Write a table in the format that the file's ending names, one of `FORMATS`.

    In Parquet a column whose cells are of several types (a choice between numbers and words) is
    one of text.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    assert path.suffix in FORMATS, path
    if path.suffix == ".parquet":
        _write_parquet(table, path)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
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


def metrics_at_value(trial: Trial) -> dict[str, float]:
    """`valid/...` metrics of the epoch that gave the trial's value; empty before any."""
    at_value = (o for o in trial.observations if o.epoch == trial.value_epoch)
    observation = next(at_value, Observation(epoch=0, metrics={}, train_seconds=0.0))
    return {k: v for k, v in observation.metrics.items() if k.startswith("valid/")}


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


def _write_parquet(table: Table, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        name: _alike([row[place] for row in table.rows]) for place, name in enumerate(table.columns)
    }
    with replaced(path) as scratch:
        parquet.write_table(pa.table(columns), scratch)  # pyright: ignore  it has no types


def _alike(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Cells of one type: numbers as they are, whole ones among others as floats, else text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) <= 1:
        return cells
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else str(cell) for cell in cells]
