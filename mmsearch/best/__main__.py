"""`python -m mmsearch.best STUDY`."""

import typer

from mmsearch.best.options import best

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(best)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.best")
