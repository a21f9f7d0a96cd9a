"""``studio dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import Runs


def dashboard(
    host: Annotated[
        str, typer.Option(help="Where to listen; elsewhere than 127.0.0.1 a token is asked for.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.", min=0, max=65535)] = 8501,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder whose pictures, models and adapters may be used; may be repeated. "
            "Default: your home and this folder; with --host only this one.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = Path("runs"),
) -> None:
    """The whole studio in a browser."""
    from studio.dashboard.server import LOOPBACK, serve
    from studio.workplace.roots import Roots
    from studio.workplace.workplace import Workplace

    usual = [Path.cwd(), *([Path.home()] if host in LOOPBACK else [])]
    serve(Workplace.at(runs, Roots.of(root or usual)), host=host, port=port)
