"""The command line of `ablate`: options to the parts taken away and what tuning may cost."""

from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.ablate.parts import Part
from mmsearch.study.overrides import machines


def ablate(  # noqa: PLR0913, PLR0917  one parameter an option: typer reads them off the signature
    study: Annotated[
        str, typer.Argument(help="Folder of a study whose best were raced, or its name in --out.")
    ],
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Loss terms, what can be off, arms of branches. May be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option(help="That tune each row around the choice.")] = 8,
    seeds: Annotated[int, typer.Option(help="Fresh seeds behind each row of the table.")] = 5,
    candidates: Annotated[int, typer.Option(help="The best of each row that are raced.")] = 2,
    concurrent: Annotated[int | None, typer.Option(help="Trials at a time.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that train one trial.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="May be a fraction.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = Path("studies"),
    name: Annotated[str, typer.Option(help="Of the folder in the study's.")] = "ablate",
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or host:port.")
    ] = None,
    *,
    open_test: Annotated[
        bool,
        typer.Option("--open-test", help="Print test: evaluate every choice, once and on record."),
    ] = False,
) -> None:
    """Take each part of a method's best configuration away, tune what is left, and compare."""
    with exits.told():
        from mmsearch.ablate.asking import Request, answer

        request = Request(
            study=study,
            parts=tuple(dict.fromkeys(only or Part)),
            trials=trials,
            seeds=seeds,
            candidates=candidates,
            machines=machines(data, concurrent, workers, gpus_per_worker),
            out=out,
            name=name,
            address=address,
            open_test=open_test,
        )
        asked = answer(request)
        from mmsearch.ablate.session import run

        if not run(asked):
            raise typer.Exit(exits.INTERRUPTED)
