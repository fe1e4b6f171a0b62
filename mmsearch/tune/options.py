"""The command line of `tune`: options to overrides of the study file, errors to exit code 2."""

from datetime import datetime
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.errors import Problem, StudyError
from mmsearch.study.overrides import machines, parse_override, without_none
from mmsearch.tune.asking import Request, answer


def tune(  # noqa: PLR0913, PLR0917  one parameter an option: typer reads them off the signature
    study: Annotated[str, typer.Argument(help="A study file, or the name of a bundled one.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset's files.")] = None,
    trials: Annotated[int | None, typer.Option(help="budget.trials")] = None,
    max_epochs: Annotated[int | None, typer.Option(help="budget.max_epochs")] = None,
    max_gpu_hours: Annotated[float | None, typer.Option(help="budget.gpu_hours")] = None,
    deadline: Annotated[
        str | None,
        typer.Option(help="Wind down by then: 90m, 2h, 1d, or a time like 2026-11-21T18:00."),
    ] = None,
    concurrent: Annotated[int | None, typer.Option(help="Trials at a time.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that train one trial.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="May be a fraction.")] = None,
    seed: Annotated[int | None, typer.Option(help="The study's seed.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of the record; default: a journal in the study's folder."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = Path("studies"),
    name: Annotated[str | None, typer.Option(help="Default: the study file's name.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="key=value: any key of the study file, for example "
            "published.batch_size=16. May be repeated.",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="Folder or storage of an earlier study: its best are tried first."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or host:port.")
    ] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only go on: overrides on record hold.")
    ] = False,
    widen: Annotated[
        bool,
        typer.Option("--widen", help="Go on in another space, with all trials on record."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, train nothing.")
    ] = False,
) -> None:
    """Search the best configuration of a method on a dataset."""
    options = {
        "budget.trials": trials,
        "budget.max_epochs": max_epochs,
        "budget.gpu_hours": max_gpu_hours,
        "seed": seed,
    }
    with exits.told():
        overrides = without_none(options) | machines(data, concurrent, workers, gpus_per_worker)
        overrides |= dict(parse_override(text) for text in set_ or [])
        if deadline is not None:
            overrides["budget.wall_hours"] = hours_until(deadline, now=datetime.now().astimezone())
        request = Request(
            study, overrides, out, name, storage, address, resume, widen, dry_run, prior
        )
        asked = answer(request)
        from mmsearch.tune.session import run

        if not run(request, asked):
            raise typer.Exit(exits.INTERRUPTED)


def hours_until(deadline: str, *, now: datetime) -> float:
    """Hours from now to a deadline: a duration such as `90m`, or a local or zoned ISO time.

    Raises:
        StudyError: neither of the two, or not in the future.
    """
    units = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0}
    problem = Problem(
        "--deadline",
        f"expected a duration or a time that is to come, got {deadline!r}",
        "Write 90m, 2h, 1d, or a time like 2026-11-21T18:00.",
    )
    try:
        if deadline[-1:] in units:
            hours = float(deadline[:-1]) * units[deadline[-1]]
        else:
            moment = datetime.fromisoformat(deadline)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
            hours = (moment - now).total_seconds() / 3600
    except ValueError:
        raise StudyError(problem) from None
    if not 0 < hours < inf:
        raise StudyError(problem)
    return hours
