"""Pickled adapter files (``.pt``, ``.bin``) read without running what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.adapters.restricted_pickle import load_restricted
from studio.errors import AdapterError


def read_pickled(path: Path) -> dict[Any, Any]:
    """The table in a pickled file, its tensors on the CPU.

    Only tensors, numbers, texts and plain containers are made; see `load_restricted`.

    Raises:
        AdapterError: the file is missing, broken, asks for anything beyond that, or holds no table.
    """
    content = load_restricted(path)
    if not isinstance(content, dict):
        raise AdapterError(f"{path} holds a {type(content).__name__}, no table of tensors")
    return content
