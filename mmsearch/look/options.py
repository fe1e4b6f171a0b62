"""The command lines of `report`, `ls`, `show` and `export`: parse, look, print."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mmsearch import exits
from mmsearch.errors import Problem, StudyError

Wanted = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="A study's folder, its name in --out, or a storage URL."),
]
Out = Annotated[Path, typer.Option(help="Folder that holds the studies.")]
Name = Annotated[str | None, typer.Option(help="Of the study, where a storage holds several.")]
STUDIES = Path("studies")


def report(
    study: Wanted,
    out: Out = STUDIES,
    name: Name = None,
    to: Annotated[
        Path | None, typer.Option(help="The page; default: report.html in the study's folder.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the figures as PDF, ready for a paper.")
    ] = None,
) -> None:
    """Write a study as one HTML page, which opens without server or network."""
    with _told():
        from mmsearch.look.finding import find
        from mmsearch.methods import study_of
        from mmsearch.report import write_figures, write_page
        from mmsearch.report.page import NAME
        from mmsearch.selection.told import told

        found = find(study, out=out, name=name)
        searched = study_of(found.record)
        path = to or (found.folder or Path()) / NAME
        race = told(found.folder) if found.folder else None
        write_page(found.record, searched, path, race=race)
        print(path)
        if figures is not None:
            for written in write_figures(found.record, searched, figures):
                print(written)


def ls(
    out: Out = STUDIES,
    storage: Annotated[
        str | None, typer.Option(help="URL of a storage, to list its studies instead.")
    ] = None,
) -> None:
    """List the studies of a folder or a storage."""
    with _told():
        from mmsearch.look.listing import listing, of_folder, of_storage

        if storage is None and not out.is_dir():
            rule = f"expected a folder that holds studies, got {str(out)!r}"
            raise StudyError(Problem("--out", rule, "Name the folder that the studies are in."))
        _, *lines = heads = listing(of_folder(out) if storage is None else of_storage(storage))
        for line in heads if lines else [f"no study in {'the storage' if storage else out}"]:
            print(line)


def show(
    study: Wanted,
    trial: Annotated[int | None, typer.Argument(help="Number of a trial of it.")] = None,
    out: Out = STUDIES,
    name: Name = None,
) -> None:
    """Say how a study stands, or a trial of it: configuration, curve, segments, failure."""
    with _told():
        from mmsearch.look.finding import find, trial_of
        from mmsearch.look.showing import study_lines, trial_lines
        from mmsearch.methods import study_of

        found = find(study, out=out, name=name)
        if trial is None:
            lines = study_lines(found.record, study_of(found.record))
        else:
            shown = trial_of(found.record, trial)
            lines = trial_lines(found.record, shown, folder=found.folder)
        for line in lines:
            print(line)


def export(
    study: Wanted,
    to: Annotated[Path, typer.Option(help="The file: .csv or .parquet.")],
    out: Out = STUDIES,
    name: Name = None,
    *,
    epochs: Annotated[
        bool, typer.Option("--epochs", help="A row an epoch of a trial, not a row a trial.")
    ] = False,
) -> None:
    """Write a study as a table, for a spreadsheet or a data frame."""
    with _told():
        from mmsearch.look.finding import find
        from mmsearch.methods import study_of
        from mmsearch.report import FORMATS, epoch_table, trial_table, write_table
        from mmsearch.study import pareto_set

        if to.suffix not in FORMATS:
            rule = f"expected a file that ends in {' or '.join(FORMATS)}, got {str(to)!r}"
            raise StudyError(Problem("--to", rule, "Give it one of these endings."))
        record = find(study, out=out, name=name).record
        searched = study_of(record)
        pareto = pareto_set(searched, record.trials) if searched.others else None
        table = epoch_table(record) if epochs else trial_table(record, pareto=pareto)
        write_table(table, to)
        print(f"{to}: {len(table.rows)} rows of {len(table.columns)} columns")


@contextmanager
def _told() -> Generator[None]:
    with exits.mistakes(), exits.refusals("a file", "Mend that, or name another file."):
        yield


def run(command: Callable[..., None], *, prog_name: str) -> None:
    """One of them as a program of its own."""
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(command)
    app(prog_name=prog_name)
