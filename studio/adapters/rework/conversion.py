"""Adapter files from one format to another, without their base model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.files import check_fits, format_of, read_adapter
from studio.adapters.formats import Format, format_named, formats
from studio.adapters.layer_change import ROTATIONS
from studio.adapters.rework.batch import Refused, adapters_in, each
from studio.adapters.rework.made_lora import stem_of
from studio.adapters.rework.nearest_lora import ADDING_KINDS, base_bound, nearest_lora
from studio.adapters.rework.steps import Step, Watch, unseen, unwatched
from studio.adapters.rework.weight_files import WeightFiles
from studio.adapters.rework.writing import WrittenFile, require_free, write_adapter
from studio.adapters.tensor_bytes import Dtype
from studio.bases.tensor_file import BITS, read_layout
from studio.errors import AdapterError

_DTYPES: dict[str, Dtype] = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}


@dataclass(frozen=True)
class Converted:
    """A file that was converted.

    Attributes:
        source: what was read.
        kept_share: of the change's squared Frobenius norm, where a LoRA had to be made of another
            kind; else None.
        warnings: what speaks against the base that it was put on for that.
    """

    source: Path
    file: WrittenFile
    kept_share: float | None = None
    warnings: tuple[str, ...] = ()


def convert(
    source: Path,
    to: str,
    *,
    out: Path | None = None,
    folder: Path | None = None,
    dtype: Dtype | None = None,
    rank: int | None = None,
    base: WeightFiles | None = None,
    step: Step = unseen,
) -> Converted:
    """Write an adapter file or folder in another format; it is read back and compared.

    Args:
        to: the format's name, among those of the adapter's kind.
        out: the file or folder to write; None: under the name that the format asks for.
        folder: where to, if there is no ``out``; None: beside the source.
        dtype: number format; None: the source's own, fp32 where it does not say.
        rank: make a LoRA of this rank of a LoHa or LoKr, and with a base of a DoRA or OFT.
        base: what the latter two are put on.
        step: told of each layer of which a LoRA's is made.

    Raises:
        AdapterError: the file is broken, the format cannot hold it, the new file is there already, or
            a base is given without a rank.
        VerificationError: what was written does not do the same.
    """
    require_rank(rank, base)
    found = format_of(source)
    if found.kind == "full":
        raise AdapterError(
            f"{source} holds whole weights, which are written with the rest of their base model; "
            f"use: studio export {source} --to {to}"
        )
    if out is not None:
        require_free(out)
    adapter, kept_share, warnings = read_adapter(source), None, []
    if rank is not None:
        if base is not None and base_bound(adapter):
            warnings = check_fits(adapter, base)
        made = nearest_lora(adapter, rank, base, step)
        adapter, kept_share = made.adapter, made.kept_share
    target = _target(adapter.header.kind, to)
    ((name, adapter),) = target.parts(adapter, stem_of(source))
    path = out or (folder or source.parent) / name
    file = write_adapter(adapter, path, target, dtype or own_dtype(source))
    return Converted(source, file, kept_share, tuple(warnings))


def convert_folder(
    source: Path,
    to: str,
    out: Path,
    *,
    dtype: Dtype | None = None,
    rank: int | None = None,
    base: WeightFiles | None = None,
    watch: Watch = unwatched,
) -> list[Converted | Refused]:
    """Convert every adapter file that lies in a folder, into another; a broken one stops no other.

    Raises:
        AdapterError: no such file lies there, no kind has the format, or a base is given without a
            rank.
    """
    require_rank(rank, base)
    files = adapters_in(source)
    if all(known.name != to for known in formats()):
        names = ", ".join(sorted({known.name for known in formats()}))
        raise AdapterError(f"there is no format {to!r}; there are: {names}")

    def converted(file: Path) -> Converted:
        with watch(f"converting {file}") as step:
            return convert(file, to, folder=out, dtype=dtype, rank=rank, base=base, step=step)

    return each(files, out, converted)


def require_rank(rank: int | None, base: object) -> None:
    """Refuse a base with which nothing is to be done.

    Raises:
        AdapterError: so it is.
    """
    if base is not None and rank is None:
        raise AdapterError(
            "--base is for making a LoRA of a DoRA or OFT; give its rank with --rank"
        )


def own_dtype(path: Path) -> Dtype:
    """The number format of most of a safetensors file's bytes; fp32 of other files, which loses nothing."""
    if path.is_dir() or format_of(path).extension != ".safetensors":
        return "fp32"
    sizes: Counter[str] = Counter()
    for place in read_layout(path).tensors.values():
        sizes[place.dtype] += (place.end - place.start) * 8 // BITS[place.dtype]
    return _DTYPES.get(sizes.most_common(1)[0][0], "fp32")


def _target(kind: str, to: str) -> Format:
    names = [known.name for known in formats(kind)]
    as_lora = to in [known.name for known in formats("lora")]
    if to not in names and as_lora and kind in (*ADDING_KINDS, *ROTATIONS):
        needed = "--rank and --base" if kind in ROTATIONS else "--rank"
        raise AdapterError(
            f"{kind} adapters have no format {to!r}; give {needed} to make a LoRA of this one, or "
            f"--to {' or '.join(names)}"
        )
    return format_named(kind, to)
