"""Captions through the text encoders, once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import TensorStore, module_digest


class TextCache:
    """Conditionings by (caption, text encoders), in a folder; what is missing is encoded."""

    def __init__(self, base: BaseModel, folder: Path) -> None:
        self._base = base
        self._encoders_digest = "/".join(module_digest(e) for e in base.text_encoders)
        self._store = TensorStore(folder)

    def conditioning(self, caption: str) -> Conditioning:
        """A batch of one, fp32 on the CPU: from the cache, or encoded and kept."""
        key = hashlib.sha256(f"{self._encoders_digest}/{caption}".encode()).hexdigest()
        tensors = self._store.load(key)
        if tensors is None:
            encoded = self._encode(caption)
            tensors = {"hidden_states": encoded.hidden_states[0].contiguous()}
            if encoded.pooled is not None:
                tensors["pooled"] = encoded.pooled[0].contiguous()
            self._store.save(key, tensors)
        pooled = tensors.get("pooled")
        return Conditioning(
            tensors["hidden_states"][None], None if pooled is None else pooled[None]
        )

    @torch.no_grad()
    def _encode(self, caption: str) -> Conditioning:
        return encode_captions(self._base, [caption]).to(torch.device("cpu"), torch.float32)
