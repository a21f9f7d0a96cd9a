"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from studio.cli import (
    adapter,
    compare,
    curate,
    dashboard,
    doctor,
    evaluate,
    export,
    preview,
    queue,
    recipe,
    runs,
    train,
    trainers,
)

app = typer.Typer(
    name="studio",
    help="Teach a Stable Diffusion model something new from a folder of pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"adapter-studio {version('adapter-studio')}")
        raise typer.Exit


@app.callback()
def studio(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Teach a Stable Diffusion model something new from a folder of pictures."""


app.command()(train.demo)
app.command()(curate.curate)
app.command()(train.train)
app.command()(train.resume)
app.command()(preview.preview)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(export.export)
app.add_typer(adapter.app)
app.add_typer(recipe.app)
app.add_typer(trainers.app)
app.add_typer(runs.app)
app.add_typer(queue.app)
app.command()(dashboard.dashboard)
app.command()(doctor.doctor)
