"""``studio adapter share``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Runs, result


def share(  # noqa: PLR0917 - options of a command
    run: Annotated[str, typer.Argument(help="The run whose adapter is to be shared.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write. Default: the run's name, here.")
    ] = None,
    licence: Annotated[str, typer.Option(help="A hub's word for it, such as cc-by-4.0.")] = "",
    push_to: Annotated[
        str, typer.Option("--push", help="Push it to this hub repository, OWNER/NAME.")
    ] = "",
    public: Annotated[
        bool, typer.Option(help="Let everybody see a repository that is made for it.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Put an adapter, its card and its preview into one folder, and onto a hub where asked."""
    from studio.run_folder import RunFolder
    from studio.sharing.hub import push
    from studio.sharing.shared_folder import write_shared_folder

    opened = RunFolder.open(run, runs)
    folder = write_shared_folder(opened, out or Path(f"{opened.name}-shared"), licence)
    content: dict[str, object] = {"folder": folder}
    lines = [f"folder   {folder}"]
    if push_to:
        address = push(folder, push_to, private=not public)
        content |= {"pushed": address}
        lines.append(f"pushed   {address}")
    result(content, lines, as_json=as_json)
