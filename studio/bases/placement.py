"""Where a base model's parts are: on the GPU, or waiting in main memory until they are needed.

Without a GPU all of it does nothing: there is one memory. Attention is nowhere computed in slices, for
torch's fused attention, which diffusers uses on every device, never holds the whole matrix either.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import nn

from studio.bases.base_model import BaseModel
from studio.bases.settings import Offload

WORKING_BYTES = 2 << 30  # what drawing takes beside the weights


def place(base: BaseModel, device: torch.device, offload: Offload) -> None:
    """Put a base that was loaded on the CPU where it is to work.

    Args:
        offload: ``none``: all of it on the device. ``model``: on the CPU, from where each part visits
            the GPU in its turn while pictures are drawn (`BaseModel.offload_to`). ``auto``: the
            former where the GPU has room for it.
    """
    if is_gpu(device) and must_visit(offload, weight_bytes(base.modules), free_bytes(device)):
        base.offload_to = device
        return
    for module in base.modules:
        module.to(device)


def must_visit(offload: Offload, weights: int, free: int) -> bool:
    """Whether a base's parts wait in main memory; both numbers in bytes, of weights and of a free GPU."""
    return offload == "model" or (offload == "auto" and free < weights + WORKING_BYTES)


@contextmanager
def visiting(pipes: Sequence[Any], models: Sequence[BaseModel], offload: Offload) -> Iterator[None]:
    """Let the parts of models visit their GPU one at a time for a block, where they are to.

    Args:
        pipes: diffusers' pipelines around the models, in the same order.
        offload: ``model`` makes parts that are on a GPU leave it for the length of the block too.
    """
    visitors = [
        (pipe, model, model.offload_to or model.device)
        for pipe, model in zip(pipes, models, strict=True)
        if model.offload_to is not None or (offload == "model" and is_gpu(model.device))
    ]
    homes = [(model, model.device) for _, model, _ in visitors]
    try:
        for pipe, _, device in visitors:
            pipe.enable_model_cpu_offload(device=device)
        yield
    finally:
        for pipe, _, _ in visitors:
            pipe.remove_all_hooks()
        for model, home in homes:
            for module in model.modules:
                module.to(home)


class Shelf:
    """Modules that are not needed for most of the time: in main memory then, on the GPU else.

    Args:
        modules: on ``device``.
    """

    def __init__(self, modules: Iterable[nn.Module], device: torch.device) -> None:
        self._modules = list(modules) if is_gpu(device) else []
        self._device = device

    def put_away(self) -> None:
        """Into main memory, all of them."""
        self._move(torch.device("cpu"))
        if self._modules:
            release()

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """On the GPU for the length of a ``with`` block."""
        self._move(self._device)
        try:
            yield
        finally:
            self.put_away()

    @contextmanager
    def away(self) -> Iterator[None]:
        """In main memory for the length of a ``with`` block, and on the GPU after it."""
        self.put_away()
        try:
            yield
        finally:
            self._move(self._device)

    def _move(self, device: torch.device) -> None:
        for module in self._modules:
            module.to(device)


def release() -> None:
    """Free what nobody refers to any more, on the GPU too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def working_device() -> torch.device:
    """Where this machine computes."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def is_gpu(device: torch.device) -> bool:
    """Whether a device has a memory of its own that is worth sparing."""
    return device.type == "cuda"


def free_bytes(device: torch.device) -> int:
    """Of a GPU's memory, what no process has taken."""
    free, _ = torch.cuda.mem_get_info(device)
    return free


def weight_bytes(modules: Iterable[nn.Module]) -> int:
    """What parameters and buffers take up."""
    return sum(
        tensor.nbytes
        for module in modules
        for tensor in chain(module.parameters(), module.buffers())
    )
