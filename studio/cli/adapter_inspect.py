"""``studio adapter inspect``: one adapter file in one screen, or a folder of them in a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.output import AsJson, Runs, result, table

if TYPE_CHECKING:
    from studio.adapters.inspection.folder import Listed
    from studio.adapters.inspection.layers import Layer
    from studio.adapters.inspection.one_file import Inspection

MAX_NAMED = 5
MAX_TEXT = 100
_UNITS = ("bytes", "kB", "MB", "GB")


def inspect(
    file: Annotated[str, typer.Argument(help="Adapter file, folder of adapter files, or run.")],
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer with its rank, alpha and norm.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the norms of the blocks into this .png file.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show what an adapter file is, what it says of itself, and what is wrong with it."""
    from studio.adapters.inspection.one_file import inspect as look_into
    from studio.cli.output import note
    from studio.errors import UserError

    if plot is not None and plot.suffix.lower() != ".png":
        raise UserError(f"--plot draws a .png file, {plot} was given")
    path = _path(file, runs)
    if _is_collection(path):
        if plot is not None or layers:
            raise UserError(f"--plot and --layers are for one adapter, {path} is a folder of them")
        _list(path, as_json=as_json)
        return
    found = look_into(path)
    if plot is not None:
        _plot(found, plot)
        note(f"drawn: {plot}")
    lines = [*_lines(found), *(_layer_lines(found.layers) if layers else [])]
    result(found.to_json(), lines, as_json=as_json)


def _path(file: str, runs: Path) -> Path:
    """The file or folder at that path, or what the run of that name or in that folder has exported."""
    from studio.cli.places import adapter_file
    from studio.run_folder import is_run

    path = Path(file)
    is_folder = path.is_dir() and not is_run(path) and not is_run(runs / file)
    return path if is_folder else adapter_file(file, runs)


def _is_collection(path: Path) -> bool:
    from studio.adapters.inspection.content import is_adapter_folder

    return path.is_dir() and not is_adapter_folder(path)


def _plot(found: Inspection, path: Path) -> None:
    from studio.adapters.inspection.plot import save_norms

    seen = found.overview
    rank = f", rank {_counted(seen.ranks)}" if seen.ranks else ""
    subtitle = f"norm by block of {found.measured}{rank}"
    save_norms(found.blocks, found.content.path.name, subtitle, path)


def _list(folder: Path, *, as_json: bool) -> None:
    """Print a line for each file below the folder.

    Raises:
        AdapterError: there is no adapter file, or none that can be read; the reasons are printed.
    """
    from studio.adapters.inspection.folder import listed
    from studio.errors import AdapterError

    found = listed(folder)
    if not found:
        raise AdapterError(f"{folder} holds no .safetensors or .pt file; give a folder that does")
    result([one.to_json() for one in found], _list_lines(found), as_json=as_json)
    if all(one.overview is None for one in found):
        raise AdapterError(f"none of the {len(found)} files in {folder} can be read")


def _list_lines(found: list[Listed]) -> list[str]:
    """Aligned columns; what cannot be read does not stretch them."""
    readable = [one for one in found if one.overview is not None]
    rows = table([["NAME", "KIND", "FAMILY", "RANK", "SIZE", "TRIGGER"], *map(_row, readable)])
    heading, *lines = rows
    line_of = dict(zip((one.name for one in readable), lines, strict=True))
    told = [
        line_of.get(one.name, f"{_text(one.name)}  cannot be read: {_text(one.problem, 300)}")
        for one in found
    ]
    return [heading, *told] if readable else told


def _row(one: Listed) -> list[str]:
    seen = one.overview
    if seen is None:
        return []
    called = seen.trigger or ", ".join(seen.facts.tags[:3])
    return [
        _text(one.name),
        seen.naming.kind,
        _text(seen.family) or "?",
        ", ".join(map(str, list(seen.ranks)[:3])) or "-",
        _size(one.size_bytes),
        _text(called, 60),
    ]


def _lines(found: Inspection) -> list[str]:
    """One screen: what it is, what it says, what is wrong, and its blocks."""
    rows = [[name, text] for name, text in _facts(found).items() if text]
    lines = table(rows)
    lines += [f"remark: {_text(remark, 300)}" for remark in found.remarks]
    lines += ["", *_findings(found), "", f"Norm by block, of {found.measured}:"]
    blocks = [[b.name, f"{b.norm:.4g}", f"{b.num_layers} layers"] for b in found.blocks]
    return lines + [f"  {line}" for line in table([[_text(c) for c in row] for row in blocks])]


def _facts(found: Inspection) -> dict[str, str]:
    seen, header, content = found.overview, found.overview.facts.header, found.content
    how = "" if seen.stated_family or not seen.family else ", by its tensors"
    variant = f" ({found.variant})" if found.variant else ""
    dtypes = ", ".join(f"{name} ({count})" for name, count in found.dtypes.items())
    alphas = {f"{alpha:g}": count for alpha, count in found.alphas.items()}
    said = {
        "file": str(content.path),
        "kind": f"{seen.naming.kind}{variant}, {seen.naming.format} format",
        "family": f"{seen.family}{how}" if seen.family else "not told by the file",
        "trigger": seen.trigger,
        "tags": ", ".join(seen.facts.tags),
        "rank": _counted(seen.ranks),
        "alpha": _counted(alphas),
        "changes": ", ".join(f"{part} ({count})" for part, count in found.changes.items()),
        "strength": "" if seen.facts.strength is None else f"{seen.facts.strength:g} recommended",
        "base": header.base_name,
        "trained": _training(found),
        "curation": header.dataset_verdict,
    }
    size = f"{_size(content.size_bytes)}, {len(content.entries):,} tensors, "
    size += f"{found.num_parameters:,} parameters"
    texts = {name: _text(text, MAX_TEXT) for name, text in said.items()}
    return {**texts, "size": size, "numbers": dtypes, "file": _text(str(content.path), 300)}


def _training(found: Inspection) -> str:
    header = found.overview.facts.header
    parts = [
        f"{header.steps:,} steps" if header.steps else "",
        f"{header.num_pictures:,} pictures" if header.num_pictures else "",
        f"{found.overview.facts.resolution} px" if found.overview.facts.resolution else "",
    ]
    return ", ".join(filter(None, parts))


def _findings(found: Inspection) -> list[str]:
    """What is wrong with the layers, the first few by name; silent ones are told in passing."""
    told: list[str] = []
    for state, meaning in (
        ("exploded", "exploded"),
        ("broken", "broken"),
        ("dead", "dead (no change)"),
    ):
        layers = [layer for layer in found.layers if layer.state == state]
        if layers:
            told.append(f"{len(layers)} of {len(found.layers)} layers {meaning}:")
            told += [f"  {_text(x.path, 200)}: {_text(x.why, 200)}" for x in layers[:MAX_NAMED]]
            if len(layers) > MAX_NAMED:
                told.append(f"  and {len(layers) - MAX_NAMED} more; --layers lists them")
    told = told or [f"No dead, exploded or broken layer among {len(found.layers)}."]
    silent = len(found.having("silent"))
    if silent:
        told.append(
            f"{silent} layers are zeros beside trained siblings, for readers that want all."
        )
    return told


def _layer_lines(layers: Iterable[Layer]) -> list[str]:
    rows = [["LAYER", "RANK", "ALPHA", "NORM", "STATE"]]
    for layer in layers:
        rank = "-" if layer.rank is None else str(layer.rank)
        alpha = "-" if layer.alpha is None else f"{layer.alpha:g}"
        rows.append([_text(layer.path, 200), rank, alpha, f"{layer.norm:.4g}", layer.state])
    return ["", *table(rows)]


def _counted(counts: Mapping[int, int] | Mapping[str, int]) -> str:
    """``16 (192 layers), 8 (72)``, the commonest first."""
    parts = [f"{value} ({count})" for value, count in list(counts.items())[:MAX_NAMED]]
    more = ", …" if len(counts) > MAX_NAMED else ""
    return ", ".join(parts).replace(")", " layers)", 1) + more


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}" if unit else f"{size_bytes} {_UNITS[0]}"


def _text(text: str, limit: int = MAX_TEXT) -> str:
    """Text of a file from anywhere as one printable line; control characters could steer a terminal."""
    line = "".join(c if c.isprintable() else " " for c in text).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
