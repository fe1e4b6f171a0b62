"""Features of networks that stay as they are, computed before any gang needs them."""

from functools import partial

from rich.console import Console
from rich.progress import Progress

from mmsearch import backbones


def compute(views: backbones.Plan, console: Console) -> None:
    """What networks make of raw modalities, once for all trials of all studies beside it."""
    for one in views.missing():
        told = f"  {one.chosen.modality} by {one.chosen.settings.model}"
        with Progress(console=console, transient=True) as bar:
            line = bar.add_task(told, total=sum(len(part) for part in one.raw))
            backbones.compute(one, advance=partial(bar.advance, line))
