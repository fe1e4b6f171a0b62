"""The command line of `best`: options to what a race may spend and where it runs."""

from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.study.overrides import machines, without_none


def best(  # noqa: PLR0913, PLR0917  one parameter an option: typer reads them off the signature
    study: Annotated[
        str, typer.Argument(help="Folder of a study that was searched, or its name below --out.")
    ],
    budget: Annotated[
        str | None,
        typer.Option(help="Of the epochs that the search spent, such as 25% or 0.25; or epochs."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(help="The best of the search that are raced; default 5.")
    ] = None,
    seeds_at_least: Annotated[
        int | None,
        typer.Option(help="Of the winner and the published one, whatever the budget; default 3."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Trials at a time.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that train one trial.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="May be a fraction.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of the search's record; default: the journal in its folder."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = Path("studies"),
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or host:port.")
    ] = None,
    *,
    simplest: Annotated[
        bool,
        typer.Option("--simplest", help="Of those tied with the best, the one of fewest weights."),
    ] = False,
    open_test: Annotated[
        bool,
        typer.Option("--open-test", help="Then evaluate the choice on test, and put it on record."),
    ] = False,
) -> None:
    """Race the best configurations of a search and the published one over fresh seeds."""
    race = {"budget": budget, "candidates": candidates, "seeds_at_least": seeds_at_least}
    with exits.told():
        from mmsearch.best.asking import Request, answer

        request = Request(
            study=study,
            out=out,
            storage=storage,
            address=address,
            machines=machines(data, concurrent, workers, gpus_per_worker),
            race=without_none(race),
            simplest=simplest,
            open_test=open_test,
        )
        asked = answer(request)
        from mmsearch.best.session import run

        if not run(request, asked):
            raise typer.Exit(exits.INTERRUPTED)
