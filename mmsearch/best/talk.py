"""What `best` says before and after a race, as lines of text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmsearch.report import describe_trial
from mmsearch.selection.choice import LEVEL, Choice, Row
from mmsearch.selection.contest import Contest
from mmsearch.selection.receipts import Opening
from mmsearch.study import Study

WORTH_SAYING = 0.2
"""Share of the budget that must be left for a word on what to do with it."""


def opening(study: Study, contest: Contest) -> list[str]:
    """Who is raced, and what it may cost."""
    rules, trained = contest.plan.rules, len(contest.replicates)
    best = len(contest.candidates) - 1
    lines = [
        (
            f"{study.name}: the best {best} of {len(contest.search.ranking)} completed trials and "
            "the published configuration, under fresh seeds"
        ),
        (
            f"  chosen by   {study.objective.metric}, {study.objective.direction}; test plays "
            "no part"
        ),
        (
            f"  budget      {contest.budget:.0f} epochs; at least {rules.seeds_at_least} seeds for "
            "the winner and the published one"
        ),
    ]
    if study.others:
        beside = ", ".join(one.metric for one in study.others)
        lines.append(f"  not chosen  by {beside}: a race is about the leading objective")
    if trained:
        lines.append(f"  on record   {trained} replicates, {contest.spent:.0f} epochs")
    return lines


def closing(choice: Choice, openings: Sequence[Opening], written: Path) -> list[str]:
    """What was chosen, by how much, and what is known of the others."""
    contest, chosen = choice.contest, choice.chosen
    searched = chosen.candidate.trial.value
    lines = [
        "",
        (
            f"{contest.search.name}: {contest.search.metric} of {len(contest.candidates)} "
            f"candidates after {contest.spent:.0f} epochs; {choice.why}"
        ),
        *_table(choice),
        (
            f"  * within {LEVEL:.0%} as good as the best. p: two-sided paired t test against the "
            "published one, Holm-adjusted"
        ),
        "",
        f"  chosen      {_name(chosen, choice)}: {choice.rule}",
        f"              {describe_trial(chosen.candidate.trial)}",
        (
            f"  expected    {chosen.expected:.4f} [{chosen.low:.4f}, {chosen.high:.4f}] under a "
            f"new seed; one seed's sd is {choice.noise:.4f}"
        ),
    ]
    if searched is not None and chosen.number != contest.published.number:
        luck = -contest.sign * (chosen.expected - searched)
        word = "too good" if luck > 0 else "too bad"
        lines.append(f"  searched    {searched:.4f}: {abs(luck):.4f} {word}, as one seed's winner")
    lines += _advice(contest)
    lines += _opened(openings, chosen)
    return [*lines, f"  written     {written}"]


def _table(choice: Choice) -> list[str]:
    head = ("", "seeds", "mean ± sd", "expected", f"{LEVEL:.0%} interval", "best", "p", "")
    rows = [head, *(_cells(row, choice) for row in choice.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cells(row: Row, choice: Choice) -> tuple[str, ...]:
    spread = "" if row.sd is None else f" ± {row.sd:.4f}"
    notes = [f"{row.weights:,} weights"] if row.weights is not None else []
    notes += [f"seed {seed} failed ({state.reason})" for seed, state in row.failures.items()]
    return (
        f"{'*' if row.tied else ' '} {_name(row, choice)}",
        str(row.seeds),
        "none" if row.mean is None else f"{row.mean:.4f}{spread}",
        f"{row.expected:.4f}",
        f"[{row.low:.4f}, {row.high:.4f}]",
        "out" if row.failures else f"{row.best:.0%}",
        "" if row.p is None else f"{row.p:.3f}",
        ", ".join(notes),
    )


def _name(row: Row, choice: Choice) -> str:
    name = f"trial {row.number}"
    return f"{name}, published" if row.number == choice.contest.published.number else name


def _advice(contest: Contest) -> list[str]:
    left = contest.budget - contest.spent
    if left < WORTH_SAYING * contest.budget:
        return []
    return [
        (
            f"  {left:.0f} epochs of the budget are left: more trials (`tune --resume --trials N`) "
            "are worth more now than more seeds; then race again"
        )
    ]


def _opened(openings: Sequence[Opening], chosen: Row) -> list[str]:
    """Every opening of the test split, and its figures."""
    if not openings:
        return ["  test        sealed; --open-test opens it for this choice, once and on record"]
    lines: list[str] = []
    if len(openings) > 1:
        lines.append(
            f"  TEST WAS OPENED {len(openings)} TIMES: only the first opening's figures are of a "
            "choice made without them"
        )
    for number, one in enumerate(openings, start=1):
        now = "this choice" if one["trial"] == chosen.number else "another choice"
        lines.append(
            f"  test        opening {number}, {one['opened_at']}: trial {one['trial']}, {now}"
        )
        for name, figures in one.get("figures", {}).items():
            lines.append(f"              {name:9} {_figures(figures)}")
        if "figures" not in one:
            lines.append("              begun and not completed: --open-test completes it")
    return lines


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Mean and standard deviation over replicates of each metric."""
    runs = list(figures.values())
    told: list[str] = []
    for metric in runs[0] if runs else ():
        values = [float(run[metric]) for run in runs]
        spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
        told.append(f"{metric} {mean(values):.4f}{spread}")
    return "  ".join(told) + f"  ({len(runs)} seeds)"
