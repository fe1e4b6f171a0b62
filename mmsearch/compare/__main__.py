"""`python -m mmsearch.compare METHODS`."""

import typer

from mmsearch.compare.options import compare

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(compare)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.compare")
