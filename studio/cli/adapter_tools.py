"""``studio adapter merge|resize|extract|convert``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from studio.cli.output import AsJson, Runs, note, result
from studio.errors import AdapterError

if TYPE_CHECKING:
    from studio.adapters.extraction import Extraction
    from studio.adapters.rework.conversion import Converted, Refused
    from studio.adapters.rework.merging import Ingredient

DtypeName = Literal["fp32", "fp16", "bf16"]
LoraFile = Annotated[str, typer.Argument(help="LoRA file, or run.")]
Out = Annotated[Path, typer.Option(help="The file to write; nothing is written over.")]
LoraFormat = Annotated[
    Literal["kohya", "diffusers"], typer.Option("--to", help="Format of the LoRA.")
]
LoraDtype = Annotated[DtypeName, typer.Option(help="Number format of the LoRA.")]
Keep = Annotated[
    float | None,
    typer.Option(
        help="Per layer the fewest ranks that keep this share of its change, such as 0.95; "
        "at most --rank."
    ),
]


def merge(  # noqa: PLR0917 - options of a command
    adapters: Annotated[
        list[str],
        typer.Argument(
            metavar="ADAPTER[:WEIGHT]...",
            help="Adapter files or runs, each with what to multiply it by, such as a.safetensors:0.8.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file or folder to write.")],
    into: Annotated[
        str | None,
        typer.Option(help="Base model to work the adapters into. Default: make one LoRA of them."),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Rank of the LoRA. Default: all ranks together, exactly.")
    ] = None,
    to: Annotated[
        Literal["kohya", "diffusers"] | None,
        typer.Option("--to", help="Format of the LoRA. Default: kohya."),
    ] = None,
    dtype: Annotated[
        DtypeName | None,
        typer.Option(help="Number format of the LoRA. Default: fp16; a base keeps its own."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Add adapters up, each by its weight: into one LoRA, or into a base model."""
    from studio.adapters.rework.merging import merge as merged
    from studio.adapters.rework.writing import require_free

    require_free(out)
    if into is not None and (rank, to, dtype) != (None, None, None):
        raise AdapterError(
            "--rank, --to and --dtype are for a LoRA, but --into keeps the base's format; "
            "leave them out"
        )
    ingredients = [_ingredient(given, runs) for given in adapters]
    if into is not None:
        _merge_into(ingredients, into, out, as_json=as_json)
    else:
        made = merged(ingredients, rank=rank, title=out.stem)
        _write_lora(made, out, to or "kohya", dtype or "fp16", as_json=as_json)


def resize(  # noqa: PLR0917 - options of a command
    lora: LoraFile,
    out: Out,
    rank: Annotated[int | None, typer.Option(help="New rank; with --keep the highest.")] = None,
    keep: Keep = None,
    to: LoraFormat = "kohya",
    dtype: LoraDtype = "fp16",
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Bring a LoRA to a lower rank, and say how much of it is kept."""
    from studio.adapters.files import read_adapter
    from studio.adapters.rework.low_rank import Truncation
    from studio.adapters.rework.resizing import resize as resized
    from studio.adapters.rework.writing import require_free
    from studio.cli.places import adapter_file

    require_free(out)
    truncation = Truncation(rank, keep)
    made = resized(read_adapter(adapter_file(lora, runs)), truncation)
    _write_lora(made, out, to, dtype, as_json=as_json)


def extract(  # noqa: PLR0917 - options of a command
    tuned: Annotated[str, typer.Argument(help="Tuned model: single file or diffusers folder.")],
    base: Annotated[str, typer.Option(help="Base model that it was tuned from.")],
    out: Out,
    rank: Annotated[int, typer.Option(help="Rank of the LoRA; with --keep the highest.")] = 64,
    keep: Keep = None,
    to: LoraFormat = "kohya",
    dtype: LoraDtype = "fp16",
    as_json: AsJson = False,
) -> None:
    """Make a LoRA of what a tuned model has beyond its base, and say how much is in it."""
    from studio.adapters.rework.checkpoint_difference import extract_difference
    from studio.adapters.rework.low_rank import Truncation
    from studio.adapters.rework.writing import require_free
    from studio.cli.terminal import TerminalReporter

    require_free(out)
    with TerminalReporter().stage(f"comparing {tuned} with {base}") as step:
        made = extract_difference(tuned, base, Truncation(rank, keep), title=out.stem, step=step)
    _write_lora(made, out, to, dtype, as_json=as_json)


def convert(  # noqa: PLR0917 - options of a command
    source: Annotated[str, typer.Argument(help="Adapter file, run, or a folder of adapter files.")],
    to: Annotated[
        str, typer.Option("--to", help="Format, such as kohya, diffusers, a1111 or safetensors.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, for a folder the folder. Default for a file: beside it."
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Make a LoRA of this rank of a LoHa or LoKr.")
    ] = None,
    dtype: Annotated[
        DtypeName | None, typer.Option(help="Number format. Default: the file's own.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write an adapter in another format, without its base model; the file is read back and compared."""
    from studio.adapters.rework import conversion
    from studio.cli.places import adapter_file
    from studio.run_folder import is_run

    is_folder = Path(source).is_dir() and not is_run(Path(source))
    if not (is_folder and conversion.is_folder_of_adapters(Path(source))):
        path = Path(source) if is_folder else adapter_file(source, runs)
        done = conversion.convert(path, to, out=out, dtype=dtype, rank=rank)
        result(_converted_json(done), [_converted_line(done)], as_json=as_json)
        return
    if out is None:
        raise AdapterError(f"{source} is a folder of files; say with --out where theirs are to go")
    outcomes = conversion.convert_folder(Path(source), to, out, dtype=dtype, rank=rank)
    content = [_converted_json(outcome) for outcome in outcomes]
    result(content, [_converted_line(outcome) for outcome in outcomes], as_json=as_json)
    failed = sum(isinstance(outcome, conversion.Refused) for outcome in outcomes)
    if failed:
        raise AdapterError(f"{failed} of {len(outcomes)} files were not converted; see above")


def _ingredient(given: str, runs: Path) -> Ingredient:
    """An adapter and its weight; a colon in a file's name belongs to the name."""
    from studio.adapters.files import read_adapter
    from studio.adapters.rework.merging import Ingredient
    from studio.bases.digests import file_digest
    from studio.cli.places import adapter_file

    name, _, number = given.rpartition(":")
    weight = _number(number) if name and not Path(given).exists() else math.nan
    path = adapter_file(given if math.isnan(weight) else name, runs)
    digest = file_digest(path) if path.is_file() else ""
    return Ingredient(read_adapter(path), 1.0 if math.isnan(weight) else weight, digest)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _merge_into(ingredients: list[Ingredient], base: str, out: Path, *, as_json: bool) -> None:
    from studio.adapters.rework.merging_into_base import merge_into

    model = merge_into(ingredients, base, out)
    content = {"model": model.path, "family": model.family, "layers": model.layers}
    line = f"model  {model.path}  {model.family}, {model.layers} weights changed"
    result(content, [line], as_json=as_json)
    if out.is_file() and Path(base).with_suffix("").is_dir():
        configs = Path(base).with_suffix("")
        note(f"to use it as a base model here, copy {configs} to {out.with_suffix('')}")


def _write_lora(made: Extraction, out: Path, to: str, dtype: DtypeName, *, as_json: bool) -> None:
    from studio.adapters.formats import format_named
    from studio.adapters.rework.writing import write_adapter

    file = write_adapter(made.adapter, out, format_named("lora", to), dtype)
    ranks = _ranks(made)
    content = {
        "adapter": file.path,
        "format": file.format,
        "dtype": file.dtype,
        "kept_share": made.kept_share,
        "layers": {
            path: {"rank": ranks[path], "kept_share": share}
            for path, share in made.kept_by_layer.items()
        },
    }
    result(content, [_lora_line(made, file.path, ranks)], as_json=as_json)


def _ranks(made: Extraction) -> dict[str, int]:
    tensors = made.adapter.tensors
    return {path: len(tensors[f"{path}.lora_A.weight"]) for path in made.kept_by_layer}


def _lora_line(made: Extraction, path: Path, ranks: Mapping[str, int]) -> str:
    least, most = min(ranks.values()), max(ranks.values())
    rank = f"rank {most}" if least == most else f"ranks {least} to {most}"
    worst = min(made.kept_by_layer, key=made.kept_by_layer.__getitem__)
    kept = f"keeps {made.kept_share:.2%}"
    if made.kept_by_layer[worst] < made.kept_share:
        kept += f", least {made.kept_by_layer[worst]:.2%} in {worst}"
    return f"adapter  {path}  {len(ranks)} layers, {rank}; {kept}"


def _converted_json(outcome: Converted | Refused) -> dict[str, Any]:
    from studio.adapters.rework.conversion import Refused

    if isinstance(outcome, Refused):
        return {"source": outcome.source, "error": outcome.reason}
    return {
        "source": outcome.source,
        "adapter": outcome.file.path,
        "format": outcome.file.format,
        "dtype": outcome.file.dtype,
        "max_relative_difference": outcome.file.max_relative_difference,
        "kept_share": outcome.kept_share,
    }


def _converted_line(outcome: Converted | Refused) -> str:
    from studio.adapters.rework.conversion import Refused

    if isinstance(outcome, Refused):
        return f"failed   {outcome.source}  {' '.join(outcome.reason.split())}"
    kept = "" if outcome.kept_share is None else f"; keeps {outcome.kept_share:.2%}"
    file = outcome.file
    return f"adapter  {file.path}  {file.format}, {file.dtype}{kept}"
