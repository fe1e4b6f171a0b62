"""One sitting at a study: check everything, search, leave the files, say what was found."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial

from rich.console import Console

from mmsearch import backbones, methods, metrics, provenance, sampling, training
from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.features import compute, planned
from mmsearch.cluster.machines import Room
from mmsearch.cluster.quiet import engines_hushed
from mmsearch.cluster.search import Site, joined, search
from mmsearch.cluster.troubles import Troubles
from mmsearch.curves import Curves
from mmsearch.datasets import SearchData
from mmsearch.errors import ClusterError
from mmsearch.sampling import Ledger
from mmsearch.tune.asking import Asked, Request
from mmsearch.tune.files import Files
from mmsearch.tune.page import Page
from mmsearch.tune.talk import closing, opening, plan, standing, widened
from mmsearch.tune.view import View

CURVES, TABLES = "curves", "tables"


def run(request: Request, asked: Asked) -> bool:
    """Runs one sitting; returns whether every trial of the budget has its ending.

    Raises:
        MmsearchError: a mistake of the user; nothing was trained and nothing written.
    """
    study = asked.study
    views = planned(study, request.out)
    config = methods.complete(study.method, study.published)
    task = backbones.seen_task(views.data.task, views.data.views, config)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(*opening(study, views.data, task, backbones.of_config(config)), sep="\n")
    if asked.record:
        console.print(standing(asked.record, study))
    if request.dry_run:
        Console().print(plan(study))
        return True
    sampling.check(asked.place.storage, asked.record, data=views.data.fingerprint)
    return _sit(request, asked, views)


def _sit(request: Request, asked: Asked, views: backbones.Plan) -> bool:
    study, place = asked.study, asked.place
    with engines_hushed() as quiet, ExitStack() as machines:
        console = Console(file=quiet.terminal, markup=False, highlight=False, soft_wrap=True)
        site = Site(
            place.folder, request.address, Troubles(console.print), partial(_leave, console)
        )
        join = cache(lambda: machines.enter_context(joined(site, study)))
        if not _is_done(asked):
            # What the machines cannot hold is not begun: they are asked before anything is written.
            join()
        compute(views, console)
        # The machines are left before the ledger: what they still train has no other driver.
        with _ledger(asked, views.data) as ledger, machines:
            # A record elsewhere has not made it; from here on nobody makes it anew.
            with site.troubles.allowed("logs"):
                place.folder.mkdir(parents=True, exist_ok=True)
            if why := quiet.log_to(place.folder / "logs" / "driver.log"):
                site.troubles.add("logs", why)
            if asked.record and ledger.record().generation > asked.record.generation:
                console.print(widened(ledger.record()))
            page = Page(study, place.storage, place.folder, site.troubles)
            reason = _search(ledger, views.data, join, site, console, page)
            record = ledger.record()
    lines = closing(
        record,
        study,
        folder=place.folder,
        storage=sampling.shown(place.storage),
        reason=reason,
        troubles=site.troubles.told,
    )
    Console(markup=False, highlight=False, soft_wrap=True).print(*lines, sep="\n")
    return reason is None


def _leave(console: Console, error: ClusterError) -> None:
    """Says why there is no way on, and ends: as the record has it, the search can be resumed."""
    console.print(*(f"error: {problem}" for problem in error.problems), sep="\n")
    console.show_cursor()
    os._exit(2)


def _is_done(asked: Asked) -> bool:
    """Whether the record, as it stands, holds all that is asked for."""
    trials = asked.record.trials if asked.record else ()
    ended = sum(trial.ended for trial in trials)
    return ended >= asked.study.budget.trials


def _ledger(asked: Asked, data: SearchData) -> Ledger:
    # A deadline is of one sitting; all else that was asked for need not be said again.
    kept = {key: value for key, value in asked.overrides.items() if key != "budget.wall_hours"}
    facts = {**provenance.collect(data.fingerprint), "threads": training.Worker.threads}
    return sampling.open_ledger(
        asked.place.storage,
        asked.study,
        provenance=facts | {"overrides": kept},
        resume=asked.record is not None,
        holds=Shelf(asked.place.folder / "checkpoints").holds,
    )


def _search(
    ledger: Ledger,
    data: SearchData,
    join: Callable[[], Room],
    site: Site,
    console: Console,
    page: Page,
) -> str | None:
    """Puts right what a killed sitting left beside the record, then trains what is missing."""
    study = ledger.study
    files = Files(site.out, study, ledger.record)
    names = metrics.observed(data.task.metrics)
    curves = Curves(site.out / "tensorboard", study, metrics=names)
    allowed = site.troubles.allowed
    with allowed(CURVES):
        curves.catch_up(ledger.record())
    Shelf(site.out / "checkpoints").catch_up(ledger.record())
    try:
        if not ledger.unfinished:
            return None
        with View(console, study, ledger.record) as view:
            around = site.troubles.around
            listeners = (around(curves, CURVES), around(files, TABLES), page, view)
            return search(ledger, data, join(), site=site, listeners=listeners, notice=view.notice)
    finally:
        with allowed(TABLES):
            files.write()
        page.write(ledger.record())
        if CURVES in site.troubles:
            with allowed(CURVES):
                curves.catch_up(ledger.record())
