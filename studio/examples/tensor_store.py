"""Encoded examples on disk: one safetensors file a key, each with a digest of its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from studio import atomic

_DIGEST = "content_sha256"


@dataclass(frozen=True)
class TensorStore:
    """A folder of tensors by key. Files are written whole or not at all; damaged ones do not count."""

    folder: Path

    def load(self, key: str) -> dict[str, Tensor] | None:
        """What was saved under ``key``; None where nothing was, or where the file is damaged."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
        except SafetensorError:
            return None
        return tensors if metadata.get(_DIGEST) == content_digest(tensors) else None

    def save(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Keep tensors (on the CPU) under ``key``, in place of what was there."""
        with atomic.replacing(self._path(key)) as temporary:
            save_file(tensors, temporary, metadata={_DIGEST: content_digest(tensors)})

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def content_digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, whatever the order and the device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def module_digest(module: nn.Module) -> str:
    """`content_digest` of a module's weights: what a cache of its output depends on."""
    return content_digest(module.state_dict())
