"""Adapter files from anywhere, read with care: nothing in them is run or believed unchecked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.formats import (
    FILE_STEM_KEY,
    MAX_HEADER_BYTES,
    SAFETENSORS,
    Format,
    PathFormatModule,
    formats,
    recognise,
)
from studio.adapters.header import require_settings
from studio.adapters.pickled import read_pickled
from studio.bases.families import Family
from studio.bases.tensor_file import TensorFileError, TensorFileLayout, read_layout
from studio.errors import AdapterError

FLOATING = {"F64", "F32", "F16", "BF16"}


def read_adapter(path: Path) -> Adapter:
    """Read an adapter file or folder in any known format, the studio's own or another tool's.

    Its values are fp32 on the CPU, under the neutral names of its kind.

    Raises:
        AdapterError: it is missing, truncated, hostile, or holds no known adapter.
    """
    found = format_of(path)
    try:
        if found.extension == SAFETENSORS:
            tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
            metadata = _layout(path).metadata | {FILE_STEM_KEY: path.stem}
            adapter = found.load().read(tensors, metadata)
        else:
            adapter = cast("PathFormatModule", found.load()).read_path(path)
    except (SafetensorError, OSError, AdapterError) as error:
        raise AdapterError(f"{path} cannot be used: {error}") from error
    broken = next((k for k, t in adapter.tensors.items() if not torch.isfinite(t).all()), None)
    if broken:
        raise AdapterError(f"{path} has values that are not finite in {broken}; export it anew")
    return adapter


def format_of(path: Path) -> Format:
    """The format that an adapter file or folder is in.

    Raises:
        AdapterError: it is missing, truncated, hostile, or holds no known adapter.
    """
    extension = _extension(path)
    keys = list(_keys(path, extension))
    found = recognise(keys, extension)
    if found is None:
        kinds = ", ".join(sorted({known.kind for known in formats()}))
        first = next(iter(keys), "nothing")
        raise AdapterError(
            f"{path} holds no adapter that can be read here (it has {first[:80]!r}); "
            f"known kinds are: {kinds}"
        )
    return found


def _extension(path: Path) -> str:
    """The extension under which formats are looked up: a folder's is empty, a stranger's safetensors."""
    if path.is_dir():
        return ""
    if not path.is_file():
        raise AdapterError(f"{path} is no file; give an adapter's file or folder")
    known = {found.extension for found in formats()} - {""}  # a folder's
    return path.suffix if path.suffix in known else SAFETENSORS


def _keys(path: Path, extension: str) -> Iterable[str]:
    if extension == SAFETENSORS:
        return _layout(path).tensors
    if extension == "":
        return sorted(p.relative_to(path).as_posix() for p in (*path.glob("*"), *path.glob("*/*")))
    return map(str, read_pickled(path))


def _layout(path: Path) -> TensorFileLayout:
    """The checked header; only floating point tensors belong in an adapter."""
    try:
        layout = read_layout(path, MAX_HEADER_BYTES)
    except (TensorFileError, OSError) as error:
        raise AdapterError(f"{path} is no adapter in safetensors format: {error}") from error
    odd = next((n for n, place in layout.tensors.items() if place.dtype not in FLOATING), None)
    if odd:
        raise AdapterError(
            f"{path} holds {odd[:80]!r} as {layout.tensors[odd].dtype}, not as float"
        )
    return layout


class NamedBase(Protocol):
    """What tells base models apart; a loaded `BaseModel` has it, and a `BaseIdentity`."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> Family: ...
    @property
    def digest(self) -> str: ...


def check_fits(adapter: Adapter, base: NamedBase) -> list[str]:
    """What speaks against an adapter on a base model, as warnings; shapes are checked on applying.

    Another base of the same family works more or less; another family does not.

    Raises:
        AdapterError: the families differ.
    """
    header = adapter.header
    _require_family(header, base)
    if not header.base_digest or header.base_digest == base.digest:
        return []
    return [
        f"the adapter was trained on {_trained_on(header)}, not on {_named(base)}: "
        "the result may differ"
    ]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of which file it is what speaks against an adapter."""
    try:
        yield
    except AdapterError as error:
        raise AdapterError(f"{path.name}: {error}") from error


def require_fit(adapter: Adapter, base: NamedBase, kinds: Collection[str]) -> None:
    """Refuse what a trainer cannot put on a base; shapes are checked on applying.

    Args:
        kinds: of adapters that the trainer can apply.

    Raises:
        AdapterError: another kind, another family, or settings that are no JSON object.
    """
    header = adapter.header
    if header.kind not in kinds:
        raise AdapterError(f"this is a {header.kind} adapter, but needed is {' or '.join(kinds)}")
    _require_family(header, base)
    require_settings(header.settings)


def _require_family(header: AdapterHeader, base: NamedBase) -> None:
    if header.family != base.family:
        raise AdapterError(
            f"the adapter was trained on {_trained_on(header)} of family {header.family}, which does "
            f"not fit {_named(base)} of family {base.family}; choose a base of family {header.family}"
        )


def _trained_on(header: AdapterHeader) -> str:
    return f"{header.base_name or 'an unnamed base'} ({header.base_digest[:12] or 'unknown'})"


def _named(base: NamedBase) -> str:
    return f"{base.name} ({base.digest[:12]})"
