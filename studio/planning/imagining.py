"""Tensors without memory in the place of all tensors, for the length of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import bitsandbytes.functional as bnb
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_warnings_of_diffusers
from studio.bases.number_format import NumberFormat
from studio.bases.placement import is_gpu
from studio.planning.counting import Counter


@contextmanager
def imagined(device: torch.device) -> Iterator[Counter]:
    """Everything that torch makes within has shape, type and device and no memory; it is counted.

    Unlike on the meta device, autocast and the choice of an attention kernel are those of the device.

    Args:
        device: what is imagined; its tensors stand on `stand_in`.
    """
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    counter = Counter(stand_in(device).type, by_onednn=not is_gpu(device))
    with ExitStack() as stack:
        # bitsandbytes keeps the tables of its codes for the whole process; those made here hold no numbers.
        stack.enter_context(patch.dict(bnb.name2qmap))
        # torch swaps such tensors within a module in a way that fails where anything has the old one.
        stack.enter_context(patch.object(nn.Module, "_apply", _apply_plainly))
        stack.enter_context(fake)
        yield stack.enter_context(counter)


def stand_in(device: torch.device) -> torch.device:
    """Where imagined tensors of a device are: there, or on the processor where torch has no such device.

    Shapes and types are the same, and so is what torch's fused attention keeps.
    """
    return device if not is_gpu(device) or torch.cuda.is_available() else torch.device("cpu")


def put_on(base: BaseModel, device: torch.device, numbers: NumberFormat) -> None:
    """A skeleton's modules as they are once they are loaded, within `imagined`."""
    for name, module in named_modules(base).items():
        _make_empty(module, device, numbers.reading(name))
        with no_warnings_of_diffusers():
            numbers.finish(name, module)


def named_modules(base: BaseModel) -> dict[str, Any]:
    """All that holds weights, by the names of the parts, in the order of loading."""
    parts: dict[str, Any] = {"unet": base.unet, "vae": base.vae, **base.named_text_encoders}
    return parts


def _make_empty(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                empty = torch.empty(parameter.shape, dtype=dtype, device=device)
                part._parameters[name] = nn.Parameter(empty, requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty_like(buffer, device=device)


def _apply_plainly(
    module: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True
) -> nn.Module:
    """`nn.Module._apply` without its ways to keep a parameter's identity."""
    for child in module.children() if recurse else ():
        child._apply(function)  # type: ignore[no-untyped-call]
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        with torch.no_grad():
            applied: Any = function(parameter)
        if applied is not parameter:
            module._parameters[name] = nn.Parameter(applied, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module
