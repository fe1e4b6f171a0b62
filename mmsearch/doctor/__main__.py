"""`python -m mmsearch.doctor [cluster.yaml]`."""

import typer

from mmsearch.doctor.options import doctor

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(doctor)

if __name__ == "__main__":
    app(prog_name="python -m mmsearch.doctor")
