"""The command line of `compare`: options to the terms of all rows and what is printed of them."""

from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.study.overrides import machines, parse_override, without_none


def compare(  # noqa: PLR0913, PLR0917  one parameter an option: typer reads them off the signature
    methods: Annotated[
        list[str],
        typer.Argument(help="A row each: study files, names of studies, or folders of searches."),
    ],
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="For all rows, in place of their own. May be repeated: a table each."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Trials of each search; default: the first study's.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option(help="Of each search; default: the first study's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of each search.")] = None,
    seeds: Annotated[int, typer.Option(help="Fresh seeds behind each row of the table.")] = 5,
    candidates: Annotated[int, typer.Option(help="The best of each search that are raced.")] = 5,
    race_epochs: Annotated[
        int | None,
        typer.Option(help="Of each race; default: a quarter of trials times epochs."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value in every study file. May be repeated."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Row that all are tested against; default: the best.")
    ] = None,
    published: Annotated[
        Path | None, typer.Option(help="TOML file of figures that papers print.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Trials at a time.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that train one trial.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="May be a fraction.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = Path("studies"),
    name: Annotated[
        str | None, typer.Option(help="Of the comparison's folder; default: compare-DATASET.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or host:port.")
    ] = None,
    *,
    open_test: Annotated[
        bool,
        typer.Option("--open-test", help="Print test: evaluate every choice, once and on record."),
    ] = False,
    unequal: Annotated[
        bool,
        typer.Option("--unequal", help="Let rows of other budgets in, and mark them."),
    ] = False,
) -> None:
    """Compare methods under equal budgets and seeds, as a table for a paper."""
    terms = {"budget.trials": budget, "budget.max_epochs": max_epochs, "seed": seed}
    with exits.told():
        from mmsearch.compare.asking import answer
        from mmsearch.compare.request import Request

        request = Request(
            methods=tuple(methods),
            datasets=tuple(dict.fromkeys(dataset or [])),
            overrides=without_none(terms) | dict(parse_override(text) for text in set_ or []),
            machines=machines(data, concurrent, workers, gpus_per_worker),
            seeds=seeds,
            candidates=candidates,
            race_epochs=race_epochs,
            out=out,
            name=name,
            address=address,
            against=against,
            published=published,
            open_test=open_test,
            unequal=unequal,
        )
        blocks = answer(request)
        from mmsearch.compare.session import run

        if not run(request, blocks):
            raise typer.Exit(exits.INTERRUPTED)
