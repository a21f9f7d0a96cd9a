"""The tensors of a file of ``torch.save``, in memory or mapped from the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.pickled.machine import PickledTensor
from studio.pickled.torch_file import ITEM_BYTES, TorchFile

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class TensorReader:
    """Makes tensors of their descriptions; tensors of one storage share its memory.

    Args:
        mapped: leave the numbers in the file until they are used, and copy a page when it is changed;
            the file must stay as it is for as long. Otherwise all of the file is read.
    """

    def __init__(self, file: TorchFile, *, mapped: bool) -> None:
        self._starts = file.starts
        self._bytes = _file_bytes(file.path, mapped)
        self._storages: dict[str, Tensor] = {}

    def tensor(self, described: PickledTensor) -> Tensor:
        """(``described.shape``), a view of its storage."""
        storage = described.storage
        if storage.key not in self._storages:
            start = self._starts[storage.key]
            raw = self._bytes[start : start + storage.length * ITEM_BYTES[storage.dtype]]
            # A tensor of its own: views in another number format must begin at a multiple of its size.
            numbers = torch.from_numpy(raw) if len(raw) else torch.empty(0, dtype=torch.uint8)
            self._storages[storage.key] = numbers.view(DTYPES[storage.dtype])
        numbers = self._storages[storage.key]
        return numbers.as_strided(described.shape, described.stride, described.offset)


def with_tensors(file: TorchFile) -> Any:
    """The file's content with its tensors in their places, all of them in memory.

    Raises:
        RecursionError: containers are nested deeper than Python can follow.
    """
    return _filled(file.content, TensorReader(file, mapped=False), {})


def _filled(content: Any, reader: TensorReader, seen: dict[int, tuple[Any, Any]]) -> Any:
    """Lists and dicts are changed in place, for a file may let one hold itself.

    ``seen`` holds what came and what it became: an object that is gone leaves its id to another one.
    """
    if id(content) in seen:
        return seen[id(content)][1]
    if isinstance(content, PickledTensor):
        seen[id(content)] = content, reader.tensor(content)
        return seen[id(content)][1]
    if isinstance(content, tuple):
        return tuple(_filled(item, reader, seen) for item in content)
    if isinstance(content, dict | list):
        seen[id(content)] = content, content
        places: Any = content if isinstance(content, dict) else range(len(content))
        for place in places:
            content[place] = _filled(content[place], reader, seen)
    return content


def _file_bytes(path: Path, mapped: bool) -> Any:
    """All bytes of a file, (size,), as numpy has them."""
    return np.memmap(path, np.uint8, mode="c") if mapped else np.fromfile(path, np.uint8)
