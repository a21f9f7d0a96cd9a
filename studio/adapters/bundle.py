"""A LoRA with its words in one file: kohya's LoRA, and each word under ``bundle_emb.WORD.…``.

A1111 takes the words out of a LoRA file by these names: ``bundle_emb.WORD.string_to_param.*`` for SD 1.x
and 2.x, ``bundle_emb.WORD.clip_l`` and ``….clip_g`` for SDXL; Forge (2025-06) leaves them out. ComfyUI
reads the same tensors where the file is also put among its embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from studio.adapters import kohya
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_files import ENCODERS
from studio.adapters.embedding_vectors import (
    KIND,
    PARTS,
    PIVOTAL,
    named,
    weights_and_words,
    words_of,
)
from studio.adapters.readback import load_content
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

PREFIX = "bundle_emb."
SINGLE = "string_to_param.*"
_WRITTEN_ANEW = ("studio.", "modelspec.", "sshs_")


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a LoRA with words."""
    names = list(keys)
    return any(n.startswith(PREFIX) for n in names) and kohya.recognises(names)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write one file: what kohya's format makes of the LoRA, and the words beside it.

    Raises:
        AdapterError: a value does not fit ``dtype``, or the LoRA has no place in kohya's naming.
    """
    weights, words = weights_and_words(adapter)
    kohya.write(weights, path, dtype, base)
    lora = load_content(path)
    tensors = lora.tensors | {key: rounded(key, t, dtype) for key, t in bundled(words).items()}
    more = {k: v for k, v in lora.metadata.items() if not k.startswith(_WRITTEN_ANEW)}
    write_tensors(path, tensors, adapter.header, {**more, "studio.format": "bundle"})


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """LoRA and words in a file's tensors.

    Raises:
        AdapterError: a tensor has no place in either.
    """
    stated = metadata.get("studio.kind", PIVOTAL)
    if stated != PIVOTAL:
        raise AdapterError(f"it says it is of kind {stated!r}, but holds a LoRA with words")
    as_lora = {**metadata, "studio.kind": "lora"} if "studio.kind" in metadata else metadata
    weights = kohya.read({k: t for k, t in tensors.items() if not k.startswith(PREFIX)}, as_lora)
    words = _words({k: t for k, t in tensors.items() if k.startswith(PREFIX)})
    # Other tools' files name no method: words and LoRA together are put on by the one that trains both.
    header = replace(weights.header, kind=PIVOTAL, method=weights.header.method or KIND)
    return Adapter(header, {**words, **weights.tensors})


def bundled(words: Adapter) -> dict[str, torch.Tensor]:
    """Every word's vectors under this format's names."""
    return {
        f"{PREFIX}{placeholder}.{ENCODERS[part] if len(vectors) > 1 else SINGLE}": tensor
        for placeholder, vectors in words_of(words).items()
        for part, tensor in vectors.items()
    }


def _words(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    places = {SINGLE: PARTS[0]} | {key: part for part, key in ENCODERS.items()}
    words: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        placeholder, _, place = key.removeprefix(PREFIX).partition(".")
        if place not in places or not placeholder or tensor.dim() not in (1, 2):
            raise AdapterError(f"its tensor {key!r} is no word's")
        rows = tensor[None] if tensor.dim() == 1 else tensor
        words |= named(placeholder, {places[place]: rows.float()})
    return words
