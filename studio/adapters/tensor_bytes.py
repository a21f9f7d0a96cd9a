"""Adapter files to bytes: safetensors with hashes, and the same bytes for the same content.

The safetensors package writes the metadata in an order that changes from process to process; here
everything is sorted, so that a run repeated or resumed ends in an identical file.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from studio import atomic
from studio.adapters.adapter import AdapterHeader
from studio.adapters.header import to_metadata
from studio.errors import AdapterError

Dtype = Literal["fp32", "fp16", "bf16"]
TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
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
    data, entries = _data(tensors)
    # kohya hashes a file that has its own keys only, for users may edit the others.
    kohya_file = _header({k: v for k, v in metadata.items() if k.startswith("ss_")}, entries) + data
    digest = hashlib.sha256(data).hexdigest()
    metadata |= {
        "modelspec.hash_sha256": f"0x{digest}",
        "sshs_model_hash": digest,
        "sshs_legacy_hash": hashlib.sha256(kohya_file[0x100000:0x110000]).hexdigest()[:8],
    }
    atomic.write_bytes(path, _header(metadata, entries) + data)


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


def _data(tensors: Mapping[str, torch.Tensor]) -> tuple[bytes, dict[str, object]]:
    """The tensors' bytes, widest numbers first so that all are aligned, and their entries."""
    chunks: list[bytes] = []
    entries: dict[str, object] = {}
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda kv: (-kv[1].element_size(), kv[0])):
        chunk = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        offsets = [position, position + len(chunk)]
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        chunks.append(chunk)
        position = offsets[1]
    return b"".join(chunks), entries


def _header(metadata: Mapping[str, str], entries: Mapping[str, object]) -> bytes:
    content = {"__metadata__": dict(sorted(metadata.items())), **entries}
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
