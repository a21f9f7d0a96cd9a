"""A safetensors file written anew with some of its tensors changed, a tensor at a time.

Names, number formats and shapes stay, so the new file's header is known before any tensor is read, and
what does not change is copied byte by byte: a model of any size takes the memory of its largest tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from studio.adapters.tensor_bytes import header_bytes
from studio.bases.tensor_file import TensorFileLayout, TensorPlace
from studio.errors import AdapterError

Change = Callable[[Tensor], Tensor]
"""From a tensor to what stands in its place, fp32 and of the same shape."""

COPIED_BYTES = 1 << 22
TORCH_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def rewrite(
    source: Path,
    layout: TensorFileLayout,
    target: Path,
    metadata: Mapping[str, str],
    changes: Mapping[str, Change],
    *,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Write ``target`` as ``source`` with other metadata and these tensors changed.

    Args:
        layout: the source's.
        changes: by the tensors' keys.
        tick: called after each tensor.

    Raises:
        AdapterError: a changed value does not fit the tensor's number format.
        OSError: the disk is full or a file cannot be opened.
    """
    in_order = sorted(layout.tensors.items(), key=lambda item: item[1].start)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(_header(layout, dict(in_order), metadata))
        for key, place in in_order:
            if key in changes:
                new.write(_changed(old, key, place, changes[key]))
            else:
                _copy(old, new, place)
            tick()


def read_tensor(file: BinaryIO, place: TensorPlace) -> Tensor:
    """One tensor of an open file. It is not mapped: mapped pages would stay and look like memory used."""
    file.seek(place.start)
    raw = bytearray(file.read(place.end - place.start))
    if not raw:
        return torch.empty(place.shape, dtype=TORCH_DTYPES[place.dtype])
    return torch.frombuffer(raw, dtype=TORCH_DTYPES[place.dtype]).reshape(place.shape)


def _header(
    layout: TensorFileLayout, tensors: Mapping[str, TensorPlace], metadata: Mapping[str, str]
) -> bytes:
    entries = {
        key: {
            "dtype": place.dtype,
            "shape": list(place.shape),
            "data_offsets": [place.start - layout.data_start, place.end - layout.data_start],
        }
        for key, place in tensors.items()
    }
    return header_bytes(metadata, entries)


def _copy(old: BinaryIO, new: BinaryIO, place: TensorPlace) -> None:
    old.seek(place.start)
    left = place.end - place.start
    while left:
        chunk = old.read(min(left, COPIED_BYTES))
        if not chunk:
            raise OSError(f"the file ended {left} bytes too early; was it changed meanwhile?")
        new.write(chunk)
        left -= len(chunk)


def _changed(old: BinaryIO, key: str, place: TensorPlace, change: Change) -> memoryview:
    after = change(read_tensor(old, place)).reshape(place.shape).to(TORCH_DTYPES[place.dtype])
    if not torch.isfinite(after).all():
        raise AdapterError(
            f"{key} would have values too large for {place.dtype}; merge with a lower weight"
        )
    numbers = after.contiguous().reshape(-1).view(torch.uint8)
    return memoryview(numbers.numpy())  # type: ignore[arg-type]  # arrays are buffers
