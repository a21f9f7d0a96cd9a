"""``studio export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from studio.cli.output import AsJson, Runs, result


def export(  # noqa: PLR0917 - options of a command
    adapter: Annotated[str, typer.Argument(help="Adapter file or folder, or run.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", help="Format, such as kohya, diffusers, a1111, checkpoint or extracted."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file or folder to write. Default: beside the adapter.")
    ] = None,
    dtype: Annotated[
        Literal["fp32", "fp16", "bf16"], typer.Option(help="Number format of the file.")
    ] = "fp16",
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write an adapter in another tool's format; the file is read back and compared before it appears."""
    from studio.adapters.export import export_file
    from studio.adapters.files import read_adapter
    from studio.adapters.formats import format_named
    from studio.adapters.tools.verdicts import told
    from studio.cli.base import load_base
    from studio.cli.places import adapter_file
    from studio.errors import AdapterError

    source = adapter_file(adapter, runs)
    content = read_adapter(source)
    target = format_named(content.header.kind, to)
    path = out or source.with_name(target.file_name(source.stem))
    if path.exists():
        raise AdapterError(f"{path} is there already; give another name with --out")
    model = load_base(base or content.header.base_name or "pocket")
    file = export_file(content, model, path, target, dtype)
    lines = [f"adapter  {path}", *told(file.tools)]
    result({**file.to_json(), "adapter": path}, lines, as_json=as_json)
