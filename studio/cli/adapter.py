"""``studio adapter inspect|verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Runs, note, result, table

app = typer.Typer(name="adapter", help="Look into adapter files.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="Adapter file or folder, or run.")]


@app.command()
def inspect(file: File, runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show what an adapter file says of itself."""
    from studio.adapters.files import read_adapter
    from studio.cli.places import adapter_file

    path = adapter_file(file, runs)
    adapter = read_adapter(path)
    content = {
        "file": str(path),
        **asdict(adapter.header),
        "settings": json.loads(adapter.header.settings or "{}"),
        "num_tensors": len(adapter.tensors),
        "num_parameters": sum(t.numel() for t in adapter.tensors.values()),
    }
    lines = table([[key, str(value)] for key, value in content.items()])
    result(content, lines, as_json=as_json)


@app.command()
def verify(
    file: File,
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check that an adapter file does on its base model what it says, by two independent readers."""
    from studio.adapters.files import check_fits, read_adapter
    from studio.adapters.verify import verify as read_back
    from studio.cli.base import load_base
    from studio.cli.places import adapter_file
    from studio.errors import VerificationError

    path = adapter_file(file, runs)
    adapter = read_adapter(path)
    model = load_base(base or adapter.header.base_name or "pocket")
    for warning in check_fits(adapter, model):
        note(f"warning: {warning}")
    verdict = read_back(path, adapter, model)
    if not verdict.ok:
        raise VerificationError(f"{path} does not read back as it says: {verdict.problem()}")
    line = f"ok: {path}: {verdict.layers} layers, {verdict.format}, {verdict.dtype}"
    result(verdict.to_json(), [line], as_json=as_json)
