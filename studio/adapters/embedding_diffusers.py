"""Words as diffusers' ``load_textual_inversion`` reads them: ``{"<word>": [vectors, width]}``.

One word a file. For SDXL diffusers has no such form: its ``clip_l`` and ``clip_g`` are handed to
``load_textual_inversion`` one after the other, so what is written there is the webuis' file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from studio.adapters import embedding_files
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import PARTS, embedding_adapter, one_by_one, only_word
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

parts = one_by_one


def recognises(keys: Iterable[str]) -> bool:
    """Whether it may be one word: a single tensor that is named as no weight is."""
    names = list(keys)
    return len(names) == 1 and "." not in names[0] and not embedding_files.recognises(names)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write one word's file.

    Raises:
        AdapterError: the adapter has several words, or a value does not fit ``dtype``.
    """
    placeholder, vectors = only_word(adapter)
    if len(vectors) > 1:
        embedding_files.write(adapter, path, dtype, base)
        return
    tensors = {placeholder: rounded(placeholder, vectors[PARTS[0]], dtype)}
    write_tensors(path, tensors, adapter.header, {"studio.format": "diffusers"})


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The word in a file's one tensor.

    Raises:
        AdapterError: the tensor is no word's.
    """
    placeholder, tensor = next(iter(tensors.items()))
    if tensor.dim() not in (1, 2):
        raise AdapterError(f"its tensor {placeholder!r} of shape {tuple(tensor.shape)} is no word")
    return embedding_adapter(placeholder, {PARTS[0]: tensor}, metadata)
