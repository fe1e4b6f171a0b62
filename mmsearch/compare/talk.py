"""What `compare` says: who is compared on what terms, what is trained next, and the table."""

import json
from collections.abc import Sequence
from shlex import quote

from rich.table import Table

from mmsearch.compare.asking import Block
from mmsearch.compare.entries import Entry
from mmsearch.compare.request import Request
from mmsearch.compare.results import Result
from mmsearch.selection.comparison import MARKS
from mmsearch.selection.tables import Print, notes, plain
from mmsearch.study import Study


def opening(block: Block, request: Request) -> list[str]:
    """Who is compared, and what each row may cost."""
    study = block.entries[0].study
    lines = [
        f"{block.folder.name}: {', '.join(one.label for one in block.entries)} on {block.dataset}",
        f"  chosen by   {study.objective.metric}, {study.objective.direction}; test plays no part",
        f"  each row    {terms(study)}",
        (
            f"  then        a race of {block.race_epochs} epochs over its best "
            f"{request.candidates} and the published one; {request.seeds} fresh seeds for its "
            "choice"
        ),
    ]
    return lines + [f"  {entry.label:11} {_standing(entry)}" for entry in block.entries]


def terms(study: Study) -> str:
    """What a search may spend, and by what rules."""
    budget, rules = study.budget, study.scheduler
    rungs = ", ".join(map(str, rules.rungs(budget.max_epochs)))
    return (
        f"{budget.trials} trials of up to {budget.max_epochs} epochs, seed {study.seed}, sampler "
        f"{study.sampler.kind}, scheduler {rules.kind}" + (f" at epochs {rungs}" if rungs else "")
    )


def heading(block: Block, entry: Entry, work: str) -> str:
    """Which row is being worked on."""
    place = block.entries.index(entry) + 1
    return f"\n[{place}/{len(block.entries)}] {entry.label}: {work}"


def table(found: Print) -> Table:
    """The table for a terminal."""
    heads, rows = plain(found)
    shown = Table(title=found.caption, title_justify="left")
    for place, head in enumerate(heads):
        shown.add_column(head, justify="right" if place else "left", overflow="fold")
    for place, row in enumerate(rows):
        shown.add_row(*row, end_section=place == len(found.comparison.rows) - 1)
    return shown


def under(found: Print) -> list[str]:
    """What stands under the table."""
    return [f"  {note}" for note in notes(found)]


def explained(
    results: Sequence[Result], seeds: int, against: str | None, *, test: bool
) -> list[str]:
    """Sentences that say what the table's figures and marks mean."""
    study = results[0].entry.study
    split = (
        "Figures are of test, by the weights of the epoch that valid chose"
        if test
        else "Figures are of valid, by which each row was chosen, and so a little optimistic"
    )
    levels = " and ".join(f"{below:g}" for below, _ in reversed(MARKS))
    whom = f"from {against}" if against else "from the best of its column"
    lines = [
        (
            f"{split}: mean ± standard deviation over the same {seeds} fresh seeds for every row, "
            "which no trial of a search has used."
        ),
        (
            "Bold: the best of a column, and every row that a paired t test over seeds does not "
            "tell from it (5 %, Holm-adjusted for the tests of the column)."
        ),
        (
            f"One, two and three stars: differs {whom}, with a p of the same kind below {levels}. "
            "Seeds vary, the data does not."
        ),
        f"Search of each row: {terms(study)}; chosen by {study.objective.metric}.",
    ]
    return lines + [line for one in results for line in _opened(one, test=test)]


def _standing(entry: Entry) -> str:
    ended = sum(trial.ended for trial in entry.record.trials) if entry.record else 0
    if entry.search is None:
        return f"{ended} trials on record in {entry.folder}, taken as they are"
    if entry.is_searched:
        return f"searched, {ended} trials on record"
    return f"{entry.study.budget.trials - ended} trials to be searched"


def _opened(one: Result, *, test: bool) -> list[str]:
    """Receipts of test, and how often it was opened."""
    openings = one.outcome.openings
    lines: list[str] = []
    if len(openings) > 1:
        lines.append(
            f"{one.label}: TEST WAS OPENED {len(openings)} TIMES; only the first opening's figures "
            "are of a choice made without them."
        )
    if test and one.opening:
        found = one.opening
        lines.append(
            f"{one.label}: trial {found['trial']}, test opened {found['opened_at']}, receipt "
            f"{found['seal'][:12]}."
        )
    elif openings:
        lines.append(f"{one.label}: test was opened before, {openings[0]['opened_at']}.")
    return lines


def command(request: Request, block: Block) -> str:
    """That makes a block's table again, in the folder from which it was made."""
    if request.command is not None:
        return request.command
    common = [f"--set {key}={_word(value)}" for key, value in request.overrides.items()]
    said = [
        *request.methods,
        f"--dataset {block.dataset}",
        *common,
        f"--seeds {request.seeds}",
        f"--candidates {request.candidates}",
        f"--race-epochs {block.race_epochs}",
        *([f"--name {request.name}"] if request.name else []),
        *([f"--against {request.against}"] if request.against else []),
        *(["--open-test"] if request.open_test else []),
        *(["--unequal"] if request.unequal else []),
    ]
    return " ".join(["python -m mmsearch.compare", *said])


def _word(value: object) -> str:
    """A value as an override gives it, quoted where a shell would take it apart."""
    return quote(value if isinstance(value, str) else json.dumps(value))
