"""Adapter tensors merged into a base model's weights, and every trace of them gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from studio.adapters.layer_change import Parts, changed_weight
from studio.adapters.lora_layers import parts_by_path
from studio.bases.base_model import BaseModel
from studio.bases.quantization import Change, QuantizedLinear
from studio.errors import AdapterError


@contextmanager
def merged(tensors: Mapping[str, Tensor], base: BaseModel, strength: float = 1.0) -> Iterator[None]:
    """The base with the adapter in its weights, for the length of a ``with`` block.

    The new weights take the old ones' place as a whole, and afterwards the very same old tensors are put
    back: nothing is subtracted, so no rounding is left behind, whatever the base's precision. A quantized
    layer works its weight out anew whenever it is used, and does so with the change for as long.

    Args:
        tensors: of a LoRA, LoHa, LoKr or OFT, by neutral name; see `studio.adapters.adapter.Adapter`.
        strength: 0 is the bare base, 1 the adapter as trained.

    Raises:
        AdapterError: a layer that the base lacks, or one of another shape.
    """
    # All of them before the first goes in: what does not fit is refused on an untouched base.
    changed_layers = [
        _changed(find_layer(base, path), partial(merge_weight, parts=parts, strength=strength))
        for path, parts in parts_by_path(tensors).items()
    ]
    with ExitStack() as stack:
        for changed_layer in changed_layers:
            stack.enter_context(changed_layer)
        yield


def _changed(layer: nn.Linear | nn.Conv2d, change: Change) -> AbstractContextManager[None]:
    """The layer with a changed weight, which is worked out now.

    Raises:
        AdapterError: the change does not fit.
    """
    weight = change(layer.weight)
    if isinstance(layer, QuantizedLinear):
        return _worked_out_at_each_use(layer, change)
    return _replaced(layer, weight.to(layer.weight.dtype))


@contextmanager
def _replaced(layer: nn.Linear | nn.Conv2d, weight: Tensor) -> Iterator[None]:
    old_weight = layer.weight.data
    layer.weight.data = weight
    try:
        yield
    finally:
        layer.weight.data = old_weight


@contextmanager
def _worked_out_at_each_use(layer: QuantizedLinear, change: Change) -> Iterator[None]:
    layer.changes.append(change)
    try:
        yield
    finally:
        layer.changes.remove(change)


@torch.no_grad()
def merge_weight(weight: Tensor, parts: Parts, strength: float) -> Tensor:
    """W + strength * (W' - W), fp32, where W' is the layer's weight as trained.

    Raises:
        AdapterError: a tensor is missing, or the shapes do not fit.
    """
    original = weight.detach().float()
    return original + strength * (changed_weight(original, parts) - original)


def find_layer(base: BaseModel, path: str) -> nn.Linear | nn.Conv2d:
    """The live layer of a neutral path such as ``unet.down_blocks.0.….to_q``.

    Raises:
        AdapterError: the base has none there.
    """
    part, _, inner = path.partition(".")
    layer = _submodule(base_parts(base).get(part), inner)
    if layer is None:
        raise AdapterError(
            f"the adapter changes {path}, which {base.name} does not have; "
            "it was made for another base model"
        )
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise AdapterError(
            f"the adapter changes {path}, which is a {type(layer).__name__}, no weight"
        )
    return layer


def base_parts(base: BaseModel) -> dict[str, nn.Module]:
    """The parts of a base that can be adapted, by the names that neutral paths begin with."""
    return {"unet": base.unet, **base.named_text_encoders}


def _submodule(part: nn.Module | None, inner: str) -> nn.Module | None:
    """Also where the live text encoder nests its layers in ``text_model``, which neutral paths do not."""
    for name in (inner, f"text_model.{inner}"):
        try:
            return part.get_submodule(name) if part is not None else None
        except AttributeError:
            continue
    return None
