"""Whole weights as the LoRA that is nearest to them, in kohya's naming: small, and read everywhere.

Such a file is a LoRA like any other, and read back as one by `studio.adapters.kohya`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from studio.adapters import kohya
from studio.adapters.adapter import Adapter
from studio.adapters.extraction import extract, extraction_rank
from studio.adapters.tensor_bytes import Dtype
from studio.bases.base_model import BaseModel


def recognises(keys: Iterable[str]) -> bool:  # noqa: ARG001 - by a format's signature
    """Never: what is written is a LoRA in kohya's naming, and so it is read."""
    return False


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write the LoRA of the rank that the adapter's settings ask for; its header says what it keeps.

    Raises:
        AdapterError: the adapter was made for another base, or a value does not fit ``dtype``.
    """
    extraction = extract(adapter, base, extraction_rank(adapter))
    kohya.write(extraction.adapter, path, dtype, base)


def read(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Adapter:
    """As `studio.adapters.kohya.read`."""
    return kohya.read(tensors, metadata)
