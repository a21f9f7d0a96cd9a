"""``studio export``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.base import DtypeName
from studio.cli.output import AsJson, Runs, note, result
from studio.errors import AdapterError

if TYPE_CHECKING:
    from studio.adapters.export import ExportedFile


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
    checkpoint: Annotated[
        int | None,
        typer.Option(help="Of a run: as it was after that step. Default: as it ended."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write an adapter in another tool's format; the file is read back and compared before it appears."""
    if checkpoint is not None:
        _export_checkpoint(adapter, checkpoint, to, out, dtype=dtype, runs=runs, as_json=as_json)
        return
    from studio.adapters.export import export_file
    from studio.adapters.files import check_fits, naming, read_adapter
    from studio.adapters.formats import format_named
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
    _tell(files, as_json=as_json)


def _export_checkpoint(
    run: str, step: int, to: str, out: Path | None, *, dtype: DtypeName, runs: Path, as_json: bool
) -> None:
    """Write what a run had learned at one of its checkpoints, into a folder of its own.

    Raises:
        RunError: there is no such run or checkpoint.
        AdapterError: there is no such format, or the folder is there already.
    """
    from studio.adapters.export import export as export_adapter
    from studio.bases.loading import load_base
    from studio.bases.placement import working_device
    from studio.checkpointed import checkpointed
    from studio.run_folder import RunFolder

    opened = RunFolder.open(run, runs)
    folder = out or opened.path / f"adapter-step-{step:06d}"
    if folder.exists():
        raise AdapterError(f"{folder} is there already; give another name with --out")
    adapter, recipe = checkpointed(opened, step), opened.recipe()
    model = load_base(recipe.base_model, recipe.base, device=working_device())
    _tell(
        export_adapter(adapter, model, folder, opened.name, formats=[to], dtype=dtype),
        as_json=as_json,
    )


def _tell(files: Sequence[ExportedFile], *, as_json: bool) -> None:
    from studio.adapters.tools.verdicts import told

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
