"""Words as safetensors files that A1111, Forge and ComfyUI read; one word a file.

SD 1.x and 2.x: ``{"emb_params": [vectors, width]}``. SDXL: ``{"clip_l": [vectors, 768],
"clip_g": [vectors, 1280]}``, which diffusers reads encoder by encoder. The word is the file's name there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import (
    PARTS,
    PLACEHOLDER_KEY,
    Vectors,
    embedding_adapter,
    one_by_one,
    only_word,
)
from studio.adapters.formats import FILE_STEM_KEY
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel

SINGLE = "emb_params"
ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
parts = one_by_one


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are one word in this naming."""
    return set(keys) in ({SINGLE}, set(ENCODERS.values()))


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one word's file.

    Raises:
        AdapterError: the adapter has several words, or a value does not fit ``dtype``.
    """
    placeholder, vectors = only_word(adapter)
    tensors = {key: rounded(key, t, dtype) for key, t in keyed(vectors).items()}
    more = {"studio.format": "a1111", PLACEHOLDER_KEY: placeholder}
    write_tensors(path, tensors, adapter.header, more)


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The word in a file's tensors; called by what the file says, or else by the file's name.

    Raises:
        AdapterError: its vectors fit no base.
    """
    placeholder = metadata.get(PLACEHOLDER_KEY) or metadata.get(FILE_STEM_KEY, "word")
    return embedding_adapter(placeholder, by_part(tensors), metadata)


def keyed(vectors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One word's vectors under the names of this format."""
    if len(vectors) == 1:
        return {SINGLE: next(iter(vectors.values()))}
    return {ENCODERS[part]: tensor for part, tensor in vectors.items()}


def by_part(tensors: Mapping[str, torch.Tensor]) -> Vectors:
    """The way back from `keyed`."""
    if SINGLE in tensors:
        return {PARTS[0]: tensors[SINGLE]}
    return {part: tensors[key] for part, key in ENCODERS.items()}
