"""The console script `mmsearch`: every entry point as a subcommand, imported when it is called."""

import typer

from mmsearch.best.options import best
from mmsearch.data import data
from mmsearch.tune.options import tune

app = typer.Typer(
    help="Distributed hyperparameter search for multimodal learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(tune)
app.command()(best)
app.command()(data)


@app.callback()
def _subcommands() -> None:
    """Distributed hyperparameter search for multimodal learning."""


def main() -> None:
    """Entry point of the console script."""
    app()
