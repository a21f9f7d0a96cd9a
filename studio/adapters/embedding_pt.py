"""Words as A1111's own ``.pt`` files: pickles, read as data alone and written on request.

SD 1.x and 2.x: ``string_to_param`` maps ``*`` to the vectors; ``name``, ``step`` and the base stand
beside it. SDXL: ``clip_l`` and ``clip_g``, as in the safetensors file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from studio import atomic
from studio.adapters import embedding_files
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_files import ENCODERS
from studio.adapters.embedding_vectors import (
    PARTS,
    Vectors,
    embedding_adapter,
    one_by_one,
    only_word,
)
from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.adapters.tensor_bytes import Dtype, rounded
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

PARAM, TOKEN = "string_to_param", "string_to_token"
STAR_ID = 265  # of "*" in CLIP's vocabulary: what the paper's authors trained in the place of
parts = one_by_one


def recognises(keys: Iterable[str]) -> bool:
    """Whether a table of these keys is a word's."""
    names = set(keys)
    return PARAM in names or set(ENCODERS.values()) <= names


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one word's file, in the older layout of ``torch.save`` that A1111's safety check accepts.

    Raises:
        AdapterError: the adapter has several words, or a value does not fit ``dtype``.
    """
    placeholder, vectors = only_word(adapter)
    tensors = {key: rounded(key, t, dtype) for key, t in embedding_files.keyed(vectors).items()}
    content: dict[str, Any] = dict(tensors)
    if len(vectors) == 1:
        content = {
            TOKEN: {"*": STAR_ID},
            PARAM: {"*": tensors[embedding_files.SINGLE]},
            "name": placeholder,
            "step": adapter.header.steps,
            "sd_checkpoint": None,
            "sd_checkpoint_name": None,
        }
    atomic.write_bytes(path, legacy_bytes(content))


def read_path(path: Path) -> Adapter:
    """The word in a file; called by what the file says, or else by the file's name.

    Raises:
        AdapterError: the file asks for code to be run, is broken, or holds no single word.
    """
    content = load_restricted(path)
    if not isinstance(content, dict):
        raise AdapterError(f"it holds a {type(content).__name__}, no word")
    name = content.get("name")
    placeholder = name if isinstance(name, str) and name else path.stem
    return embedding_adapter(placeholder, _vectors(content), {})


def _vectors(content: Mapping[Any, Any]) -> Vectors:
    found: dict[str, Any] = {}
    if PARAM in content:
        params = content[PARAM]
        if not isinstance(params, dict) or len(params) != 1:
            raise AdapterError(f"its {PARAM} is no table of one word")
        found = {PARTS[0]: next(iter(params.values()))}
    else:
        found = {part: content.get(key) for part, key in ENCODERS.items()}
    if not all(isinstance(t, torch.Tensor) and t.dim() in (1, 2) for t in found.values()):
        raise AdapterError("what it holds in the place of vectors is none")
    return found
