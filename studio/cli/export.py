"""``studio export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.base import DtypeName
from studio.cli.output import AsJson, Runs, note, result
from studio.errors import AdapterError


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
    dtype: Annotated[DtypeName, typer.Option(help="Number format of the file.")] = "fp16",
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write an adapter in another tool's format; the file is read back and compared before it appears."""
    from studio.adapters.export import export_file
    from studio.adapters.files import check_fits, naming, read_adapter
    from studio.adapters.formats import format_named
    from studio.adapters.tools.verdicts import told
    from studio.cli.base import load_base
    from studio.cli.places import adapter_files
    from studio.preview.stack import applied

    adapters = {source: read_adapter(source) for source in adapter_files(adapter, runs)}
    first = next(iter(adapters.values())).header
    target = format_named(first.kind, to)
    paths = {source: source.with_name(target.file_name(source.stem)) for source in adapters}
    if out is not None:
        paths = _one_path(paths, out)
    for path in paths.values():
        if path.exists():
            raise AdapterError(f"{path} is there already; give another name with --out")
    model = load_base(base or first.base_name or "pocket")
    files = []
    for source, content in adapters.items():
        with naming(source):
            for warning in check_fits(content, model):
                note(f"warning: {warning}")
            with applied(content, model, 1.0):
                pass  # what does not fit the base is the user's mistake, and said here
            files.append(export_file(content, model, paths[source], target, dtype))
    lines = [line for file in files for line in (f"adapter  {file.path}", *told(file.tools))]
    shown = [{**file.to_json(), "adapter": file.path} for file in files]
    result({"files": shown}, lines, as_json=as_json)


def _one_path(paths: Mapping[Path, Path], out: Path) -> dict[Path, Path]:
    """``out`` in the place of the one path.

    Raises:
        AdapterError: there are several.
    """
    if len(paths) > 1:
        names = ", ".join(source.name for source in paths)
        raise AdapterError(
            f"--out {out} is one file, but the adapter is several: {names}; leave it out"
        )
    return dict.fromkeys(paths, out)
