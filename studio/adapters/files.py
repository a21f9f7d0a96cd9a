"""Adapter files from anywhere, read with care: nothing in them is run or believed unchecked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from studio.adapters.adapter import Adapter
from studio.adapters.formats import formats, recognise
from studio.bases.base_model import Family
from studio.bases.tensor_file import TensorFileError, TensorFileLayout, read_layout
from studio.errors import AdapterError

MAX_HEADER_BYTES = 16 << 20  # a thousand times what a large adapter's header takes
FLOATING = {"F64", "F32", "F16", "BF16"}


def read_adapter(path: Path) -> Adapter:
    """Read an adapter file in any known format, the studio's own or another tool's.

    Its values are fp32 on the CPU, under the neutral names of its kind.

    Raises:
        AdapterError: the file is missing, pickled, truncated, hostile, or holds no known adapter.
    """
    layout = _layout(path)
    found = recognise(layout.tensors)
    if found is None:
        names = ", ".join(sorted({f"{known.name} {known.kind}" for known in formats()}))
        first = next(iter(layout.tensors), "nothing")
        raise AdapterError(
            f"{path} holds no adapter that can be read here (it has {first[:80]!r}); "
            f"known are: {names}"
        )
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        adapter = found.load().read(tensors, layout.metadata)
    except (SafetensorError, OSError, AdapterError) as error:
        raise AdapterError(f"{path} cannot be used: {error}") from error
    broken = next((k for k, t in adapter.tensors.items() if not torch.isfinite(t).all()), None)
    if broken:
        raise AdapterError(f"{path} has values that are not finite in {broken}; export it anew")
    return adapter


def _layout(path: Path) -> TensorFileLayout:
    """The checked header; only floating point tensors belong in an adapter."""
    if not path.is_file():
        raise AdapterError(f"{path} is no file; give an adapter's .safetensors file")
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
    trained_on = f"{header.base_name or 'an unnamed base'} ({header.base_digest[:12] or 'unknown'})"
    here = f"{base.name} ({base.digest[:12]})"
    if header.family != base.family:
        raise AdapterError(
            f"the adapter was trained on {trained_on} of family {header.family}, which does not fit "
            f"{here} of family {base.family}; choose a base of family {header.family}"
        )
    if not header.base_digest or header.base_digest == base.digest:
        return []
    return [f"the adapter was trained on {trained_on}, not on {here}: the result may differ"]
