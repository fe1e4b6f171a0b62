"""The command line of `train`."""

from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.study.overrides import machines, without_none
from mmsearch.train import card as cards
from mmsearch.train.asking import TOLERANCE, Request

DISAGREES = 1


def train(  # noqa: PLR0913, PLR0917  one parameter an option: typer reads them off the signature
    card: Annotated[Path, typer.Argument(help="The best.toml of a study.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another study seed; nothing is compared then.")
    ] = None,
    replicate: Annotated[
        int | None, typer.Option(min=0, help="Another replicate; nothing is compared then.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: as on record.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that train it. Default: as on record.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Of one operation on the CPU. Default: as on record."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="How far the objective may be from the recorded one, as a part of it, where "
            "the conditions are not the recorded ones.",
        ),
    ] = TOLERANCE,
    out: Annotated[Path, typer.Option(help="Folder that holds what is trained.")] = Path("trained"),
    export: Annotated[
        Path | None,
        typer.Option(help="Leave weights, model card and loader in this new folder."),
    ] = None,
) -> None:
    """Train a card's configuration again, and check its curve against the recorded one."""
    with exits.told():
        overrides = machines(data, None, workers, None) | without_none(
            {"budget.max_epochs": epochs}
        )
        read = cards.read(card, overrides=overrides)
        request = Request(read, seed, replicate, epochs, threads, tolerance, out, export)
        from mmsearch.train.session import run

        if not run(request):
            raise typer.Exit(DISAGREES)
