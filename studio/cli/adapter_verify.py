"""``studio adapter verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Runs, note, result


def verify(  # noqa: PLR0917 - options of a command
    file: Annotated[str, typer.Argument(help="Adapter file or folder, or run.")],
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(help="A tool that it must work in, such as ComfyUI; may be repeated."),
    ] = None,
    picture: Annotated[
        bool, typer.Option(help="Draw one picture of it, and once more as others read it.")
    ] = True,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check that an adapter file does on its base what it says, and in which tools it will work."""
    from studio.adapters.files import check_fits, format_of, read_adapter
    from studio.adapters.tools.verdicts import told, tool_verdicts
    from studio.adapters.verify import verify as read_back
    from studio.cli.base import load_base
    from studio.cli.places import adapter_file
    from studio.errors import AdapterError
    from studio.preview.parity.picture import compare_picture

    wanted = _known(tool or [])
    path = adapter_file(file, runs)
    adapter = read_adapter(path)
    model = load_base(base or adapter.header.base_name or "pocket")
    for warning in check_fits(adapter, model):
        note(f"warning: {warning}")
    verdict = read_back(path, adapter, model)
    if not verdict.ok:
        raise AdapterError(f"{path} will not do what it says: {verdict.problem()}")
    known = format_of(path)
    tools = tool_verdicts(path, known, adapter, model)
    drawn = compare_picture(path, known, adapter, model, tools) if picture else None
    lines = [f"ok: {path}: {verdict.layers} layers, {verdict.format}, {verdict.dtype}"]
    result(
        {
            **verdict.to_json(),
            "tools": [each.to_json() for each in tools],
            "picture": drawn and drawn.to_json(),
        },
        [*lines, *told(tools), *([drawn.sentence()] if drawn else [])],
        as_json=as_json,
    )
    if drawn and not drawn.same:
        raise AdapterError(f"{path} draws {drawn.sentence()}")
    said = {each.tool: each for each in tools}
    for name in wanted:
        if name not in said:
            raise AdapterError(
                f"nobody knows whether {name} reads the format {known.name!r} of {path}"
            )
        if not said[name].works:
            raise AdapterError(f"{path} {said[name].sentence()}")


def _known(names: list[str]) -> list[str]:
    """The tools asked for, by their own spelling.

    Raises:
        UserError: one is not known.
    """
    from studio.adapters.tools.verdicts import TOOLS
    from studio.errors import UserError

    spelled = {known.lower(): known for known in TOOLS}
    unknown = next((name for name in names if name.lower() not in spelled), None)
    if unknown is not None:
        raise UserError(f"--tool {unknown!r} is not known; give one of {', '.join(TOOLS)}")
    return [spelled[name.lower()] for name in names]
