"""Captions through the text encoder, once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import TensorStore, module_digest


class TextCache:
    """Hidden states by (caption, text encoder), in a folder; what is missing is encoded."""

    def __init__(self, base: BaseModel, folder: Path) -> None:
        self._base = base
        self._encoder_digest = module_digest(base.text_encoder)
        self._store = TensorStore(folder)

    def hidden_states(self, caption: str) -> Tensor:
        """(tokens, width), fp32 on the CPU: from the cache, or encoded and kept."""
        key = hashlib.sha256(f"{self._encoder_digest}/{caption}".encode()).hexdigest()
        tensors = self._store.load(key)
        if tensors is None:
            tensors = {"hidden_states": self._encode(caption)}
            self._store.save(key, tensors)
        return tensors["hidden_states"]

    @torch.no_grad()
    def _encode(self, caption: str) -> Tensor:
        return encode_captions(self._base, [caption])[0].float().cpu().contiguous()
