"""Files as ``torch.save`` wrote them before 1.6: the one layout that every reader of ``.pt`` accepts.

A1111's safety check knows the members of old zip archives by name and refuses the ones that torch 2.7
added. ``torch.save`` still has the older layout as an option, but it names storages after their address
in memory; here they are counted, so that equal content gives equal bytes.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.pickled.torch_file import MAGIC_NUMBER, PROTOCOL_VERSION

_PICKLE_PROTOCOL = 2
_STORAGE_CLASSES = {
    torch.float32: torch.FloatStorage,
    torch.float16: torch.HalfStorage,
    torch.bfloat16: torch.BFloat16Storage,
}
_SYSTEM = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def legacy_bytes(content: Mapping[Any, object]) -> bytes:
    """The file's bytes, the same for equal content.

    Args:
        content: None, numbers, text, lists, tuples and dicts, with tensors of fp32, fp16 or bf16
            anywhere in them. Tensors are written one by one: shared storage is not kept shared.
    """
    file = io.BytesIO()
    for start in (MAGIC_NUMBER, PROTOCOL_VERSION, _SYSTEM):
        _Pickler(file).dump(start)
    pickler = _Pickler(file)
    pickler.dump(content)
    _Pickler(file).dump([storage.key for storage in pickler.storages])
    for storage in pickler.storages:
        file.write(storage.numbers.numel().to_bytes(8, "little"))
        file.write(storage.numbers.view(torch.uint8).numpy().tobytes())
    return file.getvalue()


@dataclass(frozen=True)
class _Storage:
    key: str
    numbers: Tensor  # (numel,), contiguous, on the CPU


class _Pickler(pickle.Pickler):
    """Pickles tensors as torch does, and collects their numbers."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, _PICKLE_PROTOCOL)
        # Without a memo, bytes depend on values alone: not on which of two equal strings is one object.
        self.fast = True
        self.storages: list[_Storage] = []

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Storage):
            return None
        storage_class = _STORAGE_CLASSES[obj.numbers.dtype]
        return ("storage", storage_class, obj.key, "cpu", obj.numbers.numel(), None)

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        tensor = obj.detach().cpu().contiguous()
        storage = _Storage(str(len(self.storages)), tensor.reshape(-1))
        self.storages.append(storage)
        arguments: tuple[Any, ...] = (
            storage,
            0,
            tuple(tensor.shape),
            tensor.stride(),
            False,
            OrderedDict(),
        )
        return torch._utils._rebuild_tensor_v2, arguments
