"""A study's data, checked, with what networks that stay as they are make of it, before any gang."""

from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmsearch import backbones, datasets, methods, training
from mmsearch.study import Study

FOLDER = ".features"
"""Beside the studies: what networks make of raw modalities."""


def planned(study: Study, out: Path) -> backbones.Plan:
    """The study's train and valid, and what is to be computed of them; nothing is computed yet.

    Args:
        study: what is to be trained.
        out: folder that holds the studies.

    Raises:
        MmsearchError: the data is not here or wrong, or the published configuration cannot be
            trained on it.
    """
    config = methods.complete(study.method, study.published)
    training.check(study, config)
    found = datasets.load(study.dataset, folder=study.data)
    views = backbones.planned(study, type(config), found, folder=out / FOLDER)
    task = backbones.seen_task(views.data.task, views.data.views, config)
    training.check(study, config, task=task)
    return views


def compute(views: backbones.Plan, console: Console) -> None:
    """What networks make of raw modalities, once for all trials of all studies beside it."""
    for one in views.missing():
        told = f"  {one.chosen.modality} by {one.chosen.settings.model}"
        with Progress(console=console, transient=True) as bar:
            line = bar.add_task(told, total=sum(len(part) for part in one.raw))
            backbones.compute(one, advance=partial(bar.advance, line))
