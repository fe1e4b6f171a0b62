"""The appendix of a comparison: what was spent, spaces, chosen configurations, seeds, versions."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from mmsearch import provenance
from mmsearch.compare.checklist import checklist
from mmsearch.compare.results import Result
from mmsearch.report import published_shape
from mmsearch.report.card import spent
from mmsearch.report.document import Code, Document, Grid, Heading, Part, Sentences
from mmsearch.report.expected import Course
from mmsearch.selection.choice import LEVEL, Row
from mmsearch.trial import Record

NOT_RECORDED = "not recorded"
SHOWN = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000)
"""Trials at which the best is printed, and at the end."""


def appendix(results: Sequence[Result], courses: Mapping[str, Course], command: str) -> Document:
    """All that a paper's appendix says of a table.

    Args:
        results: rows of the table.
        courses: of each row, by label.
        command: that makes the table again.
    """
    names = ", ".join(one.label for one in results)
    study = results[0].entry.study
    return [
        Heading(f"Comparison of {names} on {study.dataset}"),
        Sentences("All of this is read off the records of the searches and races."),
        Code(command, "sh"),
        Heading("What was spent", 2),
        _spent(results),
        Heading("The best against budget", 2),
        *_courses(courses),
        *(part for one in results for part in _row(one)),
        Heading("Seeds, versions and machines", 2),
        _seeds(results),
        _origins(results),
        Heading("Reproducibility checklist", 2),
        Sentences(
            "Items of the machine learning reproducibility checklist (version 2.0) and of the "
            "NeurIPS paper checklist, answered from the record; what it does not hold is for the "
            "authors to say."
        ),
        Grid(("Item", "Answer"), checklist(results)),
    ]


def _spent(results: Sequence[Result]) -> Grid:
    rows: list[list[str]] = []
    for one in results:
        for work, record in (("search", one.search), ("fresh seeds", one.race.race)):
            if record is not None:
                rows.append([one.label, work, *_cost(record, one)])
    return Grid(("Row", "Work", "Trials", "Epochs", "GPU-hours", "Core-hours"), rows)


def _cost(record: Record, one: Result) -> list[str]:
    told = spent(record, one.race.study)
    trials = ", ".join(f"{number} {state}" for state, number in told["trials"].items() if number)
    hours = (told["gpu_hours"], told["core_hours"])
    return [
        trials,
        str(told["epochs"]),
        *("none" if value is None else f"{value:.2f}" for value in hours),
    ]


def _courses(courses: Mapping[str, Course]) -> list[Part]:
    rows = [
        [
            label,
            str(point.trials),
            f"{point.epochs:.0f}",
            f"{point.value:.4f}",
            "" if point.low is None else f"[{point.low:.4f}, {point.high:.4f}]",
        ]
        for label, one in courses.items()
        for point in one.points
        if point.trials in SHOWN or point is one.points[-1]
    ]
    return [
        *(Sentences(f"{label}: {one.why}") for label, one in courses.items()),
        Grid(("Row", "Trials", "Epochs", "Best", "Interval"), rows),
    ]


def _row(one: Result) -> list[Part]:
    """Space and choice of one row."""
    study, choice = one.entry.study, one.outcome.choice
    space = [[row.name, row.kind, row.values, row.condition] for row in study.space.describe()]
    chosen = choice.chosen
    return [
        Heading(f"{one.label}: {study.method} on {study.dataset}", 2),
        Heading("Search space", 3),
        Grid(("Parameter", "Distribution", "Values", "Only when"), space),
        Heading("Chosen configuration", 3),
        Sentences(
            f"Trial {chosen.number}, {choice.rule}: {one.search.metric} {chosen.expected:.4f} "
            f"expected under a new seed, {LEVEL:.0%} interval [{chosen.low:.4f}, "
            f"{chosen.high:.4f}], {_replicates(chosen)}. The search had seen "
            f"{_number(chosen.candidate.trial.value)} under one seed. Where every search begins, "
            f"the published configuration: {_replicates(choice.published)}."
        ),
        Code(published_shape(chosen.candidate.trial.config)),
    ]


def _replicates(row: Row) -> str:
    values = list(row.candidate.values.values())
    if not values:
        return "no replicate has a value"
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    return f"{mean(values):.4f}{spread} over {len(values)} seeds"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _seeds(results: Sequence[Result]) -> Grid:
    rows = [
        [
            one.label,
            str(one.entry.study.seed),
            ", ".join(str(trial.seed.replicate) for trial in one.replicates),
        ]
        for one in results
    ]
    return Grid(("Row", "Seed of the study", "Replicates of the choice"), rows)


def _origins(results: Sequence[Result]) -> Grid:
    """A column a row of the table, what is the same for all said once."""
    told = [_origin(one.search.provenance) for one in results]
    names = list(dict.fromkeys(name for own in told for name in own))
    rows = [[name, *(own.get(name, NOT_RECORDED) for own in told)] for name in names]
    return Grid(("", *(one.label for one in results)), rows)


def _origin(record: Mapping[str, Any]) -> dict[str, str]:
    """The first sitting's words, and how many sat after it."""
    prints, hardware = record.get("fingerprints", {}), record.get("hardware", {})
    changed = ", with uncommitted changes" if record.get("dirty") else ""
    told: dict[str, Any] = {
        "begun": record.get("collected_at"),
        "sittings": len(provenance.sittings(record)),
        "commit": f"{record['commit'][:12]}{changed}" if "commit" in record else None,
        "data": str(prints.get("data", ""))[:16] or None,
        "code": str(prints.get("code", ""))[:16] or None,
        "system": hardware.get("platform"),
        "processor": hardware.get("cpu"),
        "cores": hardware.get("cpu_cores"),
        "GPUs": ", ".join(hardware["gpus"]) if hardware.get("gpus") else "none",
        **record.get("versions", {}),
    }
    return {name: str(value) for name, value in told.items() if value is not None}
