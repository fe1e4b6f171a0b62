"""One sitting at a study: check everything, search, leave the files, say what was found."""

from functools import partial

from rich.console import Console
from rich.progress import Progress

from mmsearch import backbones, datasets, methods, metrics, provenance, sampling, training
from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.search import Site, search
from mmsearch.cluster.troubles import Troubles
from mmsearch.curves import Curves
from mmsearch.datasets import SearchData
from mmsearch.sampling import Ledger
from mmsearch.tune.asking import Asked, Request
from mmsearch.tune.files import Files
from mmsearch.tune.quiet import engines_to
from mmsearch.tune.talk import closing, opening, plan, standing, widened
from mmsearch.tune.view import View

CURVES, TABLES = "curves", "tables"
FEATURES = ".features"
"""Folder, beside the studies, of what networks make of raw modalities."""


def run(request: Request, asked: Asked) -> bool:
    """Runs one sitting; returns whether every trial of the budget has its ending.

    Raises:
        MmsearchError: a mistake of the user; nothing was started and nothing written over.
    """
    study = asked.study
    config = methods.complete(study.method, study.published)
    training.check(study, config)
    found = datasets.load(study.dataset, folder=study.data)
    views = backbones.planned(study, type(config), found, folder=request.out / FEATURES)
    task = backbones.seen_task(found.task, views.data.views, config)
    training.check(study, config, task=task)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(*opening(study, views.data, task, backbones.of_config(config)), sep="\n")
    if asked.record:
        console.print(standing(asked.record, study))
    if request.dry_run:
        Console().print(plan(study))
        return True
    _compute(views)
    return _sit(request, asked, views.data)


def _compute(views: backbones.Plan) -> None:
    """What networks make of raw modalities, once for all trials of all studies beside it."""
    for one in views.missing():
        told = f"  {one.chosen.modality} by {one.chosen.settings.model}"
        with Progress(console=Console(stderr=True), transient=True) as bar:
            line = bar.add_task(told, total=sum(len(part) for part in one.raw))
            backbones.compute(one, advance=partial(bar.advance, line))


def _sit(request: Request, asked: Asked, data: SearchData) -> bool:
    # A deadline is of one sitting; all else that was asked for need not be said again.
    kept = {key: value for key, value in request.overrides.items() if key != "budget.wall_hours"}
    facts = provenance.collect(data.fingerprint) | {"overrides": kept}
    study, place = asked.study, asked.place
    with (
        sampling.open_ledger(
            place.storage,
            study,
            provenance=facts,
            resume=asked.record is not None,
            holds=Shelf(place.folder / "checkpoints").holds,
        ) as ledger,
        engines_to(place.folder / "logs" / "driver.log") as (terminal, why),
    ):
        console = Console(file=terminal, markup=False, highlight=False, soft_wrap=True)
        troubles = Troubles(console.print)
        if why:
            troubles.add("logs", why)
        if asked.record and ledger.record().generation > asked.record.generation:
            console.print(widened(ledger.record()))
        reason = _search(ledger, data, Site(place.folder, request.address, troubles), console)
        record = ledger.record()
    lines = closing(
        record,
        study,
        folder=place.folder,
        storage=sampling.shown(place.storage),
        reason=reason,
        troubles=troubles.told,
    )
    Console(markup=False, highlight=False, soft_wrap=True).print(*lines, sep="\n")
    return reason is None


def _search(ledger: Ledger, data: SearchData, site: Site, console: Console) -> str | None:
    """Puts right what a killed sitting left beside the record, then trains what is missing."""
    study = ledger.study
    files = Files(site.out, study, ledger.record)
    names = [f"valid/{name}" for name in metrics.names(data.task.metrics)]
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
            listeners = (around(curves, CURVES), around(files, TABLES), view)
            return search(ledger, data, site=site, listeners=listeners, notice=view.notice)
    finally:
        with allowed(TABLES):
            files.write()
        if CURVES in site.troubles:
            with allowed(CURVES):
                curves.catch_up(ledger.record())
