"""Adapter files to bytes: safetensors with hashes, and the same bytes for the same content.

The safetensors package writes the metadata in an order that changes from process to process; here
everything is sorted, so that a run repeated or resumed ends in an identical file.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import torch

from studio import atomic
from studio.adapters.adapter import AdapterHeader
from studio.adapters.header import to_metadata
from studio.errors import AdapterError

Dtype = Literal["fp32", "fp16", "bf16"]
TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# Which bytes of a file the webuis hashed before safetensors.
LEGACY_HASH_BYTES = (0x100000, 0x110000)
_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], header: AdapterHeader, more: Mapping[str, str]
) -> None:
    """Write one adapter file whole or not at all.

    Args:
        tensors: under the names of the file's format, in the number formats to write.
        more: metadata keys that only the format knows.
    """
    metadata = {**to_metadata(header), **more}
    entries = _entries(tensors)
    # kohya hashes a file that has its own keys only, for users may edit the others.
    start = header_bytes({k: v for k, v in metadata.items() if k.startswith("ss_")}, entries)
    digest, legacy = hashlib.sha256(), hashlib.sha256()
    position = len(start)
    legacy.update(start[slice(*LEGACY_HASH_BYTES)])
    for chunk in _chunks(tensors, entries):
        digest.update(chunk)
        first, last = (max(0, edge - position) for edge in LEGACY_HASH_BYTES)
        legacy.update(chunk[first:last])
        position += len(chunk)
    metadata |= {
        "modelspec.hash_sha256": f"0x{digest.hexdigest()}",
        "sshs_model_hash": digest.hexdigest(),
        "sshs_legacy_hash": legacy.hexdigest()[:8],
    }
    write_safetensors(path, tensors, metadata)


def write_safetensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors and metadata, sorted, whole or not at all; one tensor at a time in memory."""
    entries = _entries(tensors)
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        file.write(header_bytes(metadata, entries))
        for chunk in _chunks(tensors, entries):
            file.write(chunk)


def rounded(name: str, tensor: torch.Tensor, dtype: Dtype) -> torch.Tensor:
    """``tensor`` in the file's number format.

    Raises:
        AdapterError: a value is too large for it.
    """
    result = tensor.detach().cpu().to(TORCH_DTYPES[dtype])
    if not torch.isfinite(result).all():
        raise AdapterError(
            f"{name} has values too large for {dtype}; export as fp32 or bf16, or train with a "
            "lower learning rate"
        )
    return result


def _entries(tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, object]]:
    """The header's entries in the order of the data: widest numbers first, so that all are aligned."""
    entries: dict[str, dict[str, object]] = {}
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda kv: (-kv[1].element_size(), kv[0])):
        end = position + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    return entries


def _chunks(tensors: Mapping[str, torch.Tensor], names: Iterable[str]) -> Iterator[memoryview]:
    """Each tensor's bytes."""
    for name in names:
        numbers = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        yield memoryview(numbers.numpy())  # type: ignore[arg-type]  # arrays are buffers


def header_bytes(metadata: Mapping[str, str], entries: Mapping[str, object]) -> bytes:
    """The beginning of a safetensors file, its length included; metadata sorted, padded to 8 bytes.

    Args:
        entries: dtype, shape and data_offsets of each tensor, by name, in the order of the data.
    """
    content = {"__metadata__": dict(sorted(metadata.items())), **entries}
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
