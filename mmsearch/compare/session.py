"""One sitting at a comparison: search what is missing, race what is missing, then print the table.

Unusual: test is opened when every row's choice is frozen, and not before.
"""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from mmsearch.best import asking as races
from mmsearch.best.session import race, refresh, settle
from mmsearch.cluster.features import planned
from mmsearch.compare.asking import Block, race_asked
from mmsearch.compare.entries import Entry
from mmsearch.compare.request import Request
from mmsearch.compare.results import Result, entrants, require_raced
from mmsearch.compare.talk import command, explained, heading, opening, table, under
from mmsearch.compare.writing import write
from mmsearch.report import published
from mmsearch.report.columns import layout
from mmsearch.report.published import Published
from mmsearch.selection.comparison import compared
from mmsearch.selection.tables import Print
from mmsearch.tune import asking as searches
from mmsearch.tune import session as tune

WIDE = 160
"""Characters of a line that is not read on a terminal."""


def run(request: Request, blocks: tuple[Block, ...]) -> bool:
    """Runs one sitting; returns whether every table is printed.

    Raises:
        MmsearchError: a mistake of the user, or rows that may not stand in one table.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    theirs = published.read(request.published) if request.published else ()
    for block in blocks:
        _check(block)
    for block in blocks:
        console.print(*opening(block, request), sep="\n")
        if not _search(block, console):
            return False
        results = _race(request, block, console)
        if results is None:
            return False
        _conclude(request, block, results, published.of_dataset(theirs, block.dataset), console)
    return True


def _check(block: Block) -> None:
    """Whether data is there and fits every method, before anything is trained."""
    for entry in block.entries:
        if not entry.is_searched:
            planned(entry.study, block.folder)


def _search(block: Block, console: Console) -> bool:
    """Searches what is missing; returns whether all of it is there."""
    for entry in block.entries:
        if not entry.is_searched:
            assert entry.search is not None
            console.print(heading(block, entry, "search"))
            if not tune.run(entry.search, searches.answer(entry.search)):
                return False
    return True


def _race(request: Request, block: Block, console: Console) -> list[Result] | None:
    """Trains the replicates that are missing, then settles every row; None if one ended early."""
    for entry in block.entries:
        asking = _race_request(request, block, entry)
        asked = races.answer(asking)
        require_raced(entry.label, asked)
        if asked.contest(asked.race).is_open:
            console.print(heading(block, entry, "fresh seeds"))
            over, troubles = race(asking, asked, console)
            for trouble in troubles:
                console.print(f"  {trouble}")
            if over is None:
                return None
    results: list[Result] = []
    for entry in block.entries:
        asking = _race_request(request, block, entry)
        asked = races.answer(asking)
        results.append(Result(entry, asked, settle(asking, asked, asked.contest(asked.race))))
    return results


def _race_request(request: Request, block: Block, entry: Entry) -> races.Request:
    return races.Request(
        study=str(entry.folder),
        out=block.folder,
        storage=None,
        address=request.address,
        machines=request.machines,
        race=race_asked(request, block),
        simplest=False,
        open_test=False,
    )


def _conclude(
    request: Request,
    block: Block,
    results: Sequence[Result],
    theirs: tuple[Published, ...],
    console: Console,
) -> None:
    """Opens test if asked to, then prints and writes the table."""
    rows = entrants(results, seeds=request.seeds, test=False, allowed=request.unequal)
    if request.open_test:
        results = [_opened(request, block, one) for one in results]
        rows = entrants(results, seeds=request.seeds, test=True, allowed=request.unequal)
    for one in results:
        refresh(one.race)
    metric = results[0].race.study.objective.metric.removeprefix("valid/")
    columns = layout(list(rows[0].values), metric)
    split = "test" if request.open_test else "valid"
    told = explained(results, request.seeds, request.against, test=request.open_test)
    if theirs and not request.open_test:
        told.append("Published figures are of test, and do not compare with figures of valid.")
    found = Print(
        compared(rows, columns, against=request.against),
        f"{request.title}: {block.dataset}, {split}.",
        tuple(told),
        theirs,
    )
    console.print("")
    Console(width=None if console.is_terminal else WIDE).print(table(found))
    console.print(*under(found), sep="\n")
    written = write(block.folder, results, found, command(request, block))
    console.print(*(f"  written     {path}" for path in written), sep="\n")


def _opened(request: Request, block: Block, one: Result) -> Result:
    asking = replace(_race_request(request, block, one.entry), open_test=True)
    contest = one.outcome.choice.contest
    return replace(one, outcome=settle(asking, one.race, contest))
