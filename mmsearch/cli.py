"""The console script `mmsearch`: every entry point as a subcommand, imported when it is called."""

import typer

from mmsearch.ablate.options import ablate
from mmsearch.best.options import best
from mmsearch.compare.options import compare
from mmsearch.data import data
from mmsearch.doctor.options import doctor
from mmsearch.look.options import export, ls, report, show
from mmsearch.train.options import train
from mmsearch.tune.options import tune

app = typer.Typer(
    help="Distributed hyperparameter search for multimodal learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(tune)
app.command()(train)
app.command()(best)
app.command()(compare)
app.command()(ablate)
app.command()(data)
app.command()(doctor)
app.command()(report)
app.command()(ls)
app.command()(show)
app.command()(export)


@app.callback()
def _subcommands() -> None:
    """Distributed hyperparameter search for multimodal learning."""


def main() -> None:
    """Entry point of the console script."""
    app()
