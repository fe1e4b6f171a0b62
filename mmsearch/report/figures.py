"""The figures of a study as PDF: vector graphics at a column's width, in a paper's sizes and fonts.

Unusual: fonts are embedded as TrueType, which the submission systems of conferences ask for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsearch.report.files import replaced
from mmsearch.report.importances import Fidelity, importances
from mmsearch.report.ranks import Agreement, agreement
from mmsearch.report.timeline import Point, progress
from mmsearch.study import Study, pareto_set, values
from mmsearch.trial import Completed, Failed, Record, Stopped

Axes = Any
"""A figure's axes: matplotlib's types are partial."""
COLUMN_INCHES = (3.35, 2.1)
"""Width of a column of most conferences' templates, and a height that suits it."""
SETTINGS: dict[str, Any] = {
    "font.family": "serif",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
    "legend.frameon": False,
}
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9aa3ad"
"""Of Okabe and Ito's palette, which colour-blind readers can tell apart."""
Draw = Callable[[Axes], None]


def write_figures(record: Record, study: Study, folder: Path) -> tuple[Path, ...]:
    """Write a PDF for each figure that the record has data for.

    Args:
        record: of the study.
        study: what is searched.
        folder: where they go; made where it is missing.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written; an earlier one stays as it was.
    """
    return tuple(saved(draw, folder / f"{name}.pdf") for name, draw in _figures(record, study))


def saved(draw: Draw, path: Path) -> Path:
    """Draws one figure of a column's width into a file, in the format that its ending names.

    Raises:
        OSError: it cannot be written; an earlier one stays as it was.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    library: Any = mpl
    # Without a date and with names from a fixed seed the same record gives the same bytes.
    with library.rc_context({**SETTINGS, "svg.hashsalt": "mmsearch"}):
        figure: Any = Figure(figsize=COLUMN_INCHES, layout="constrained")
        draw(figure.subplots())
        dated = {"pdf": "CreationDate", "svg": "Date"}[path.suffix.removeprefix(".")]
        with replaced(path) as scratch:
            figure.savefig(scratch, format=path.suffix.removeprefix("."), metadata={dated: None})
    return path


def _figures(record: Record, study: Study) -> Iterator[tuple[str, Draw]]:
    if points := progress(record):
        yield "progress", lambda axes: _progress(axes, record, points)
    if any(trial.observations for trial in record.trials):
        yield "curves", lambda axes: _curves(axes, record, study)
    if measured := importances(record, study):
        yield "importances", lambda axes: _importances(axes, measured[-1])
    if rows := agreement(record, study):
        yield "rungs", lambda axes: _ranks(axes, study, rows)
    if study.others and (chosen := pareto_set(study, record.trials)):
        yield "pareto", lambda axes: _pareto(axes, record, study, chosen)


def _progress(axes: Axes, record: Record, points: Sequence[Point]) -> None:
    better = min if record.direction == "minimize" else max
    best: list[float] = []
    for point in points:
        best.append(better([point.value, *best[-1:]]))
    ended = [point.trials for point in points]
    axes.scatter(ended, [point.value for point in points], s=6, color=BLUE, alpha=0.6, linewidths=0)
    axes.step(ended, best, where="post", color="black", label="incumbent")
    published = record.published
    if published and published.value is not None and isinstance(published.state, Completed):
        axes.axhline(published.value, color=ORANGE, linestyle="--", label="published")
    axes.set(xlabel="trials", ylabel=record.metric)
    axes.legend()


def _curves(axes: Axes, record: Record, study: Study) -> None:
    many = max(0.15, min(0.7, 20 / len(record.trials)))
    for trial in record.trials:
        if isinstance(trial.state, Failed):
            continue
        colour = GREY if isinstance(trial.state, Stopped) else BLUE
        epochs = [one.epoch for one in trial.observations]
        seen = [one.metrics[record.metric] for one in trial.observations]
        axes.plot(epochs, seen, color=colour, alpha=many, linewidth=0.6)
    if best := record.incumbent:
        axes.plot(
            [one.epoch for one in best.observations],
            [one.metrics[record.metric] for one in best.observations],
            color="black",
            label="incumbent",
        )
        axes.legend()
    for rung in study.scheduler.rungs(study.budget.max_epochs):
        axes.axvline(rung, color=GREY, linestyle=":", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel=record.metric)


def _importances(axes: Axes, fidelity: Fidelity) -> None:
    shown = fidelity.importances[:10][::-1]
    means = [one.mean for one in shown]
    spread = [[one.mean - one.low for one in shown], [one.high - one.mean for one in shown]]
    axes.barh([one.parameter for one in shown], means, xerr=spread, color=BLUE, ecolor="black")
    axes.set(xlabel="loss of explained variance")


def _ranks(axes: Axes, study: Study, rows: Sequence[Agreement]) -> None:
    epochs = [one.epoch for one in rows]
    axes.fill_between(
        epochs, [one.low for one in rows], [one.high for one in rows], color=BLUE, alpha=0.2
    )
    axes.plot(epochs, [one.correlation for one in rows], color=BLUE)
    for rung in study.scheduler.rungs(study.budget.max_epochs):
        axes.axvline(rung, color=GREY, linestyle=":", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel="Spearman correlation", ylim=(min(0.0, rows[0].low), 1.0))


def _pareto(
    axes: Axes, record: Record, study: Study, chosen: Mapping[int, Sequence[float]]
) -> None:
    found = [
        seen
        for trial in record.trials
        if isinstance(trial.state, Completed) and (seen := values(study, trial, trial.epoch))
    ]
    axes.scatter([one[1] for one in found], [one[0] for one in found], s=6, color=GREY)
    axes.scatter(
        [one[1] for one in chosen.values()],
        [one[0] for one in chosen.values()],
        s=12,
        color=BLUE,
        label="Pareto set",
    )
    axes.set(xlabel=study.others[0].metric, ylabel=record.metric)
    axes.legend()
