"""What `tune` says before and after a search, as lines of text."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from mmsearch import study as studies
from mmsearch.backbones import Chosen
from mmsearch.datasets import SearchData, Task
from mmsearch.report import describe_trial, summary
from mmsearch.study import Study
from mmsearch.trial import Record, has_value
from mmsearch.tune.view import clock, incumbent_line


def opening(study: Study, data: SearchData, task: Task, backbones: Sequence[Chosen]) -> list[str]:
    """What is about to be searched; the task and the backbones are the published ones."""
    objective, budget = study.objective, study.budget
    rungs = study.scheduler.rungs(budget.max_epochs)
    modalities = ", ".join(f"{name} {size}" for name, size in task.modalities.items())
    return [
        f"{study.name}: {study.method} on {study.dataset}, seed {study.seed}",
        f"  objective   {objective.direction} {objective.metric} ({objective.epoch} epoch)"
        + "".join(f", {one.direction} {one.metric}" for one in study.others),
        f"  budget      {budget.trials} trials of up to {budget.max_epochs} epochs"
        + (f", compared at epochs {', '.join(map(str, rungs))}" if rungs else ""),
        f"  data        {len(data.train)} train, {len(data.valid)} valid, {modalities}",
        f"  labels      {data.task.balance}",
        *(
            f"  {one.modality + ' by':11} {one.settings.model}, "
            + ("fine-tuned" if one.learns else "frozen")
            + f", {one.settings.output}"
            for one in backbones
        ),
    ]


def standing(record: Record, study: Study) -> str:
    """What is on record of a study that goes on."""
    counts = summary(record).counts
    ended = sum(trial.ended for trial in record.trials)
    told = f"  on record   {ended} of {study.budget.trials} trials have their ending"
    if ended >= study.budget.trials:
        return f"{told}: the study is finished"
    paused = f", {counts['paused']} are paused" if counts["paused"] else ""
    return f"{told}, {counts['running']} run{paused}: going on"


def widened(record: Record) -> str:
    """What became of the trials when a study went on in a new generation."""
    counts = summary(record).counts
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    return (
        f"  generation  {record.generation}, with every trial of the one before: {told or 'none'}"
    )


def pareto(record: Record, study: Study) -> list[str]:
    """The completed trials that none is better than, a line each, by the leading objective."""
    names = [one.metric for one in (study.objective, *study.others)]
    found = studies.pareto_set(study, record.trials)
    shown = [
        f"    trial {number}  "
        + "  ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=True))
        for number, values in found.items()
    ]
    return [f"  Pareto set of {len(shown)}", *shown]


def plan(study: Study) -> Table:
    """The space, as the appendix of a paper prints it, for --dry-run."""
    table = Table("parameter", "distribution", "values", "only when", title="search space")
    for row in study.space.describe():
        table.add_row(row.name, row.kind, row.values, row.condition)
    return table


def closing(
    record: Record,
    study: Study,
    *,
    folder: Path,
    storage: str,
    reason: str | None,
    troubles: Sequence[str] = (),
) -> list[str]:
    """What was found, where it lies, and what to run next.

    Args:
        record: as it stands.
        study: what is searched.
        folder: of the study.
        storage: the record as optuna-dashboard wants it.
        reason: why the search ended early, if it did.
        troubles: what could not be written.
    """
    counts = summary(record)
    told = ", ".join(f"{number} {state}" for state, number in counts.counts.items() if number)
    spent = clock(counts.train_seconds)
    standing = f"{told or 'no trial'} of {study.budget.trials}"
    lines = ["", f"{study.name}: {standing}; {spent} of training"]
    if reason:
        lines.append(f"  ended early: {reason}. Go on with the same command")
    lines += [f"  {trouble}" for trouble in troubles]
    if counts.incumbent is None:
        return [*lines, "  no trial has completed yet, so there is no incumbent"]
    lines += [f"  {incumbent_line(counts)}", f"  {describe_trial(counts.incumbent)}"]
    if study.others:
        lines += pareto(record, study)
    runners_up = [trial for trial in counts.top if trial is not counts.incumbent]
    lines += [
        f"  then trial {trial.number} {trial.value:.4f}" for trial in runners_up if has_value(trial)
    ]
    return [
        *lines,
        "  one seed's winner: optimistic until it is trained again with fresh seeds:",
        f"  python -m mmsearch.best {folder}",
        "",
        f"  best configuration  {folder / 'best.toml'}",
        f"  report              {folder / 'report.html'}",
        f"  every trial         {folder / 'trials.csv'}",
        f"  curves              tensorboard --logdir {folder / 'tensorboard'}",
        f"  live record         optuna-dashboard {storage}",
    ]
