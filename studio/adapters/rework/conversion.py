"""Adapter files from one format to another, without their base model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.extraction import Extraction
from studio.adapters.files import format_of, read_adapter
from studio.adapters.formats import Format, format_named, formats
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.layer_shapes import whole_change
from studio.adapters.rework.lora_building import built, cut_layer, stated_settings
from studio.adapters.rework.low_rank import Truncation, decomposed_whole
from studio.adapters.rework.writing import WrittenFile, require_free, write_adapter
from studio.adapters.tensor_bytes import Dtype
from studio.bases.tensor_file import BITS, read_layout
from studio.errors import AdapterError, StudioError

APPROXIMATED_KINDS = ("loha", "lokr")
_DTYPES: dict[str, Dtype] = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}


@dataclass(frozen=True)
class Converted:
    """A file that was converted.

    Attributes:
        source: what was read.
        kept_share: of the change's squared Frobenius norm, where a LoRA had to be made of another
            kind; else None.
    """

    source: Path
    file: WrittenFile
    kept_share: float | None = None


@dataclass(frozen=True)
class Refused:
    """A file that could not be converted, and why."""

    source: Path
    reason: str


def convert(
    source: Path,
    to: str,
    *,
    out: Path | None = None,
    folder: Path | None = None,
    dtype: Dtype | None = None,
    rank: int | None = None,
) -> Converted:
    """Write an adapter file or folder in another format; it is read back and compared.

    Args:
        to: the format's name, among those of the adapter's kind.
        out: the file or folder to write; None: under the name that the format asks for.
        folder: where to, if there is no ``out``; None: beside the source.
        dtype: number format; None: the source's own, fp32 where it does not say.
        rank: make a LoRA of this rank of a LoHa or LoKr.

    Raises:
        AdapterError: the file is broken, the format cannot hold it, or the new file is there already.
        VerificationError: what was written does not do the same.
    """
    found = format_of(source)
    if found.kind == "full":
        raise AdapterError(
            f"{source} holds whole weights, which are written with the rest of their base model; "
            f"use: studio export {source} --to {to}"
        )
    if out is not None:
        require_free(out)
    adapter, kept_share = read_adapter(source), None
    if rank is not None:
        extraction = as_lora(adapter, rank)
        adapter, kept_share = extraction.adapter, extraction.kept_share
    target = _target(adapter.header.kind, to)
    stem = source.stem if found.extension else source.name
    ((name, adapter),) = target.parts(adapter, stem.removesuffix(found.suffix) or stem)
    path = out or (folder or source.parent) / name
    file = write_adapter(adapter, path, target, dtype or own_dtype(source))
    return Converted(source, file, kept_share)


def convert_folder(
    source: Path, to: str, out: Path, *, dtype: Dtype | None = None, rank: int | None = None
) -> list[Converted | Refused]:
    """Convert every adapter file that lies in a folder, into another; a broken one stops no other.

    Raises:
        AdapterError: no such file lies there, or no kind has the format.
    """
    endings = {known.extension for known in formats() if known.extension}
    files = sorted(f for f in source.iterdir() if f.suffix in endings and f.is_file())
    files = [file for file in files if not file.name.startswith(".")]
    if not files:
        raise AdapterError(f"{source} holds no adapter files ({', '.join(sorted(endings))})")
    if all(known.name != to for known in formats()):
        names = ", ".join(sorted({known.name for known in formats()}))
        raise AdapterError(f"there is no format {to!r}; there are: {names}")
    return [_converted(file, to, out, dtype, rank) for file in files]


def is_folder_of_adapters(path: Path) -> bool:
    """Whether it is a folder that is no adapter itself."""
    if not path.is_dir():
        return False
    try:
        format_of(path)
    except AdapterError:
        return True
    return False


def as_lora(adapter: Adapter, rank: int) -> Extraction:
    """The LoRA of a rank that is nearest to a LoHa or LoKr.

    Raises:
        AdapterError: it is of another kind.
    """
    header = adapter.header
    if header.kind not in APPROXIMATED_KINDS:
        raise AdapterError(
            f"this adapter is of kind {header.kind}; --rank makes a LoRA of a "
            f"{' or '.join(APPROXIMATED_KINDS)} (to change a LoRA's rank: studio adapter resize)"
        )
    truncation = Truncation(rank)
    return built(
        header,
        (
            cut_layer(
                path, decomposed_whole(whole_change(path, parts, header.family), rank), truncation
            )
            for path, parts in layers_of(adapter).items()
        ),
        ("approximated", {"kind": header.kind, "rank": rank, "trained": stated_settings(header)}),
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
    if kind in APPROXIMATED_KINDS and to not in names:
        raise AdapterError(
            f"a {kind} has no format {to!r}; give --rank to make a LoRA of it, or --to "
            f"{' or '.join(names)}"
        )
    return format_named(kind, to)


def _converted(
    file: Path, to: str, out: Path, dtype: Dtype | None, rank: int | None
) -> Converted | Refused:
    try:
        return convert(file, to, folder=out, dtype=dtype, rank=rank)
    except (StudioError, OSError) as error:
        return Refused(file, str(error))
