"""Adapter tensors merged into a base model's weights, and every trace of them gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from studio.adapters.layer_change import Parts, changed_weight
from studio.adapters.lora_layers import parts_by_path
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError


@contextmanager
def merged(tensors: Mapping[str, Tensor], base: BaseModel, strength: float = 1.0) -> Iterator[None]:
    """The base with the adapter in its weights, for the length of a ``with`` block.

    The new weights take the old ones' place as a whole, and afterwards the very same old tensors are put
    back: nothing is subtracted, so no rounding is left behind, whatever the base's precision.

    Args:
        tensors: of a LoRA, LoHa, LoKr or OFT, by neutral name; see `studio.adapters.adapter.Adapter`.
        strength: 0 is the bare base, 1 the adapter as trained.

    Raises:
        AdapterError: a layer that the base lacks, or one of another shape.
    """
    targets = [(find_layer(base, path), parts) for path, parts in parts_by_path(tensors).items()]
    new_weights = [
        merge_weight(layer.weight, parts, strength).to(layer.weight.dtype)
        for layer, parts in targets
    ]
    old_weights = [layer.weight.data for layer, _ in targets]
    try:
        for (layer, _), weight in zip(targets, new_weights, strict=True):
            layer.weight.data = weight
        yield
    finally:
        for (layer, _), weight in zip(targets, old_weights, strict=True):
            layer.weight.data = weight


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
