"""Whole new weights of a base's parts: by what names, and in and out of the base without a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError


def named_parameters(base: BaseModel) -> dict[str, nn.Parameter]:
    """The U-Net's and the text encoders' parameters by neutral name, in the modules' order:
    ``unet.conv_in.weight``, ``text_encoder.encoder.layers.0.….weight``.
    """
    parts: dict[str, nn.Module] = {"unet": base.unet, **base.named_text_encoders}
    return {
        f"{part}.{name.removeprefix('text_model.')}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
    }


def require_fit(tensors: Mapping[str, Tensor], base: BaseModel) -> None:
    """Refuse whole weights that are not this base's.

    Raises:
        AdapterError: a name that the base lacks, another shape, or a value that is not finite.
    """
    live = named_parameters(base)
    for name, tensor in tensors.items():
        if name not in live or live[name].shape != tensor.shape:
            there = tuple(live[name].shape) if name in live else "absent"
            raise AdapterError(
                f"the adapter holds {name} of shape {tuple(tensor.shape)}, which is {there} in "
                f"{base.name}; it was made for another base model"
            )
        if not torch.isfinite(tensor).all():
            raise AdapterError(
                f"the adapter has values that are not finite in {name}: training diverged; "
                "lower the learning rate"
            )


def all_weights(adapter: Adapter, base: BaseModel) -> dict[str, Tensor]:
    """Every weight of U-Net and text encoders by neutral name: the adapter's where it has one.

    Raises:
        AdapterError: the adapter was made for another base model.
    """
    require_fit(adapter.tensors, base)
    return {
        name: adapter.tensors.get(name, parameter.detach())
        for name, parameter in named_parameters(base).items()
    }


@contextmanager
def swapped(
    tensors: Mapping[str, Tensor], base: BaseModel, strength: float = 1.0
) -> Iterator[None]:
    """The base with new weights in the old ones' place, for the length of a ``with`` block.

    Afterwards the very same old tensors are put back, so nothing is left behind.

    Args:
        tensors: by neutral name.
        strength: 0 is the bare base, 1 the new weights; between and beyond, the straight line.

    Raises:
        AdapterError: the adapter was made for another base model.
    """
    require_fit(tensors, base)
    live = named_parameters(base)
    old = {name: live[name].data for name in tensors}
    new = {name: _between(old[name], tensor, strength) for name, tensor in tensors.items()}
    try:
        for name, tensor in new.items():
            live[name].data = tensor
        yield
    finally:
        for name, tensor in old.items():
            live[name].data = tensor


def _between(old: Tensor, new: Tensor, strength: float) -> Tensor:
    """At strength 1 exactly ``new``, in the old one's number format and on its device."""
    line = torch.lerp(old.float(), new.to(old.device, torch.float32), strength)
    return line.to(old.dtype)
