"""``studio adapter merge|resize|extract|convert``."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studio.cli.adapter_results import progress, tell_all, tell_converted, tell_made
from studio.cli.base import DtypeName
from studio.cli.output import AsJson, Runs, note, result
from studio.errors import AdapterError

if TYPE_CHECKING:
    from studio.adapters.rework.made_lora import MadeLora
    from studio.adapters.rework.merging import Ingredient


LoraFile = Annotated[str, typer.Argument(help="LoRA file, run, or a folder of LoRA files.")]
Out = Annotated[
    Path,
    typer.Option(help="The file to write, for a folder the folder; nothing is written over."),
]
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
    from studio.adapters.rework.made_lora import write_lora
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
        tell_made(write_lora(made, out, to or "kohya", dtype or "fp16"), as_json=as_json)


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
    """Bring a LoRA, or every one in a folder, to a lower rank, and say how much of it is kept."""
    from studio.adapters.files import read_adapter
    from studio.adapters.rework import batch
    from studio.adapters.rework.low_rank import Truncation
    from studio.adapters.rework.made_lora import lora_name, stem_of, write_lora
    from studio.adapters.rework.resizing import resize as resized
    from studio.adapters.rework.writing import require_free
    from studio.cli.places import adapter_file

    truncation = Truncation(rank, keep)

    def made(source: Path, path: Path) -> MadeLora:
        require_free(path)
        return write_lora(resized(read_adapter(source), truncation), path, to, dtype)

    if not _is_collection(lora):
        tell_made(made(adapter_file(lora, runs), out), as_json=as_json)
        return
    files = batch.adapters_in(Path(lora))
    outcomes = batch.each(files, out, lambda f: made(f, out / lora_name(stem_of(f), to)))
    tell_all(files, outcomes, as_json=as_json)


def extract(  # noqa: PLR0917 - options of a command
    tuned: Annotated[
        str,
        typer.Argument(help="Tuned model: single file or diffusers folder; or a folder of such."),
    ],
    base: Annotated[str, typer.Option(help="Base model that it was tuned from.")],
    out: Out,
    rank: Annotated[int, typer.Option(help="Rank of the LoRA; with --keep the highest.")] = 64,
    keep: Keep = None,
    to: LoraFormat = "kohya",
    dtype: LoraDtype = "fp16",
    as_json: AsJson = False,
) -> None:
    """Make a LoRA of what a tuned model has beyond its base, and say how much is in it."""
    from studio.adapters.rework import batch
    from studio.adapters.rework.checkpoint_difference import extract_difference
    from studio.adapters.rework.low_rank import Truncation
    from studio.adapters.rework.made_lora import lora_name, write_lora
    from studio.adapters.rework.weight_files import find_weights
    from studio.adapters.rework.writing import require_free

    truncation = Truncation(rank, keep)

    def made(model: str, path: Path) -> MadeLora:
        require_free(path)
        with progress(f"comparing {model} with {base}", as_json=as_json) as step:
            found = extract_difference(model, base, truncation, title=path.stem, step=step)
        return write_lora(found, path, to, dtype)

    if not batch.is_folder_of_models(Path(tuned)):
        tell_made(made(tuned, out), as_json=as_json)
        return
    find_weights(base)  # once, before every model is refused for its sake
    models = batch.models_in(Path(tuned), base)
    names = {model: lora_name(batch.bare_name(model), to) for model in models}
    outcomes = batch.each(models, out, lambda model: made(str(model), out / names[model]))
    tell_all(models, outcomes, as_json=as_json)


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
        int | None,
        typer.Option(
            help="Make a LoRA of this rank of a LoHa or LoKr; with --base of a DoRA or OFT."
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base model, on whose weights the change of a DoRA or OFT depends."),
    ] = None,
    dtype: Annotated[
        DtypeName | None, typer.Option(help="Number format. Default: the file's own.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write an adapter in another format; the file is read back and compared."""
    from studio.adapters.rework import conversion
    from studio.adapters.rework.weight_files import find_weights
    from studio.cli.places import adapter_file

    conversion.require_rank(rank, base)
    model = find_weights(base) if base is not None else None
    watch = partial(progress, as_json=as_json)
    if _is_collection(source):
        if out is None:
            raise AdapterError(
                f"{source} is a folder of files; say with --out where theirs are to go"
            )
        outcomes = conversion.convert_folder(
            Path(source), to, out, dtype=dtype, rank=rank, base=model, watch=watch
        )
        tell_all([outcome.source for outcome in outcomes], outcomes, as_json=as_json)
        return
    path = Path(source) if _is_folder(source) else adapter_file(source, runs)
    with watch(f"converting {path}") as step:
        done = conversion.convert(path, to, out=out, dtype=dtype, rank=rank, base=model, step=step)
    tell_converted(done, as_json=as_json)


def _is_collection(given: str) -> bool:
    """Whether it is a folder of adapter files, and no run and no adapter itself."""
    from studio.adapters.rework.batch import is_folder_of_adapters

    return _is_folder(given) and is_folder_of_adapters(Path(given))


def _is_folder(given: str) -> bool:
    """Whether it is a folder and no run."""
    from studio.run_folder import is_run

    return Path(given).is_dir() and not is_run(Path(given))


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
    weight = 1.0 if math.isnan(weight) else weight
    return Ingredient(read_adapter(path), weight, digest, path.name)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _merge_into(ingredients: list[Ingredient], base: str, out: Path, *, as_json: bool) -> None:
    from studio.adapters.rework.merging_into_base import merge_into

    with progress(f"merging into {base}", as_json=as_json) as step:
        model = merge_into(ingredients, base, out, step)
    content = {"model": model.path, "family": model.family, "layers": model.layers}
    line = f"model  {model.path}  {model.family}, {model.layers} weights changed"
    result(content, [line], as_json=as_json)
    if out.is_file() and Path(base).with_suffix("").is_dir():
        configs = Path(base).with_suffix("")
        note(f"to use it as a base model here, copy {configs} to {out.with_suffix('')}")
