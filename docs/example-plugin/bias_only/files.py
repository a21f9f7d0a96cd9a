"""Bias-only files: safetensors, each offset under the neutral name of its bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel


def recognises(keys: Iterable[str]) -> bool:
    names = list(keys)
    return bool(names) and all(n.startswith("unet.") and n.endswith(".bias") for n in names)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    tensors = {name: rounded(name, offset, dtype) for name, offset in adapter.tensors.items()}
    write_tensors(path, tensors, adapter.header, {"studio.format": "safetensors"})


def read(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Adapter:
    return Adapter(from_metadata(metadata, "bias_only"), dict(tensors))
