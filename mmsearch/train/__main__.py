"""`python -m mmsearch.train CARD`."""

import typer

from mmsearch.train.options import train

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(train)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.train")
