"""`python -m mmsearch.tune STUDY`."""

import typer

from mmsearch.tune.options import tune

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(tune)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.tune")
