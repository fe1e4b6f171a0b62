"""`python -m mmsearch.ablate STUDY`."""

import typer

from mmsearch.ablate.options import ablate

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(ablate)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.ablate")
