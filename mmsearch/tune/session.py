"""One sitting at a study: check everything, search, leave the files, say what was found."""

from functools import partial
from typing import TextIO

from rich.console import Console
from rich.progress import Progress

from mmsearch import backbones, datasets, methods, metrics, provenance, sampling, training
from mmsearch.cluster.machines import Room
from mmsearch.cluster.search import Site, joined, search
from mmsearch.curves import Curves
from mmsearch.datasets import SearchData
from mmsearch.study import Study
from mmsearch.trial import Record
from mmsearch.tune.asking import Place, Request
from mmsearch.tune.files import Files
from mmsearch.tune.quiet import engines_hushed
from mmsearch.tune.talk import closing, opening, plan
from mmsearch.tune.view import View

FEATURES = ".features"
"""Folder, beside the studies, of what networks make of raw modalities."""


def run(request: Request, study: Study, place: Place) -> bool:
    """Runs one sitting; returns whether every trial of the budget has its ending.

    Raises:
        MmsearchError: a mistake of the user; nothing was trained and nothing written.
    """
    config = methods.complete(study.method, study.published)
    training.check(study, config)
    found = datasets.load(study.dataset, folder=study.data)
    views = backbones.planned(study, type(config), found, folder=request.out / FEATURES)
    task = backbones.seen_task(found.task, views.data.views, config)
    training.check(study, config, task=task)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(*opening(study, views.data, task, backbones.of_config(config)), sep="\n")
    if request.dry_run:
        Console().print(plan(study))
        return True
    data = views.data.fingerprint
    sampling.check(place.storage, study.name, data=data, resume=request.resume)
    site = Site(place.folder, request.address)
    # What the machines cannot hold is not begun: they are asked before anything is written.
    with engines_hushed() as quiet, joined(site, study) as room:
        _compute(views, Console(file=quiet.terminal))
        with _ledger(request, study, place, views.data) as ledger:
            quiet.log_to(place.folder / "logs" / "driver.log")
            reason = _search(ledger, views.data, room, site, quiet.terminal)
            record = ledger.record()
    _say_goodbye(record, study, place, reason)
    return reason is None


def _compute(views: backbones.Plan, console: Console) -> None:
    """What networks make of raw modalities, once for all trials of all studies beside it."""
    for one in views.missing():
        told = f"  {one.chosen.modality} by {one.chosen.settings.model}"
        with Progress(console=console, transient=True) as bar:
            line = bar.add_task(told, total=sum(len(part) for part in one.raw))
            backbones.compute(one, advance=partial(bar.advance, line))


def _ledger(request: Request, study: Study, place: Place, data: SearchData) -> sampling.Ledger:
    # A deadline is of one sitting; all else that was asked for need not be said again.
    kept = {key: value for key, value in request.overrides.items() if key != "budget.wall_hours"}
    facts = provenance.collect(data.fingerprint) | {"overrides": kept}
    return sampling.open_ledger(place.storage, study, provenance=facts, resume=request.resume)


def _search(
    ledger: sampling.Ledger, data: SearchData, room: Room, site: Site, terminal: TextIO
) -> str | None:
    """Why the search ended early, if it did."""
    study = ledger.study
    files = Files(site.out, study, ledger.record)
    names = [f"valid/{name}" for name in metrics.names(data.task.metrics)]
    curves = Curves(site.out / "tensorboard", study, metrics=names)
    curves.catch_up(ledger.record())
    with View(Console(file=terminal), study, ledger.record) as view:
        listeners = (curves, files, view)
        try:
            return search(ledger, data, room, site=site, listeners=listeners, notice=view.notice)
        finally:
            files.write()


def _say_goodbye(record: Record, study: Study, place: Place, reason: str | None) -> None:
    lines = closing(record, study, folder=place.folder, storage=place.storage, reason=reason)
    Console(markup=False, highlight=False, soft_wrap=True).print(*lines, sep="\n")
