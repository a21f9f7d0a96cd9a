"""LoRA tensors merged into a base model's weights, and every trace of them gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from studio.bases.base_model import BaseModel
from studio.errors import AdapterError


@contextmanager
def merged(
    tensors: Mapping[str, Tensor], base: BaseModel, scale: float, strength: float
) -> Iterator[None]:
    """The base with the adapter in its weights, for the length of a ``with`` block.

    The new weights take the old ones' place as a whole, and afterwards the very same old tensors are put
    back: nothing is subtracted, so no rounding is left behind, whatever the base's precision.

    Args:
        tensors: by neutral name, see `studio.adapters.adapter.Adapter`.
        scale: the factor on B A: alpha / rank.
        strength: 0 is the bare base, 1 the adapter as trained.

    Raises:
        AdapterError: a layer that the base lacks, or one of another shape.
    """
    targets = [
        (_find_layer(base, path), parts) for path, parts in _tensors_by_layer(tensors).items()
    ]
    new_weights = [
        merge_weight(layer.weight, parts, scale, strength).to(layer.weight.dtype)
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
def merge_weight(
    weight: Tensor, parts: Mapping[str, Tensor], scale: float, strength: float
) -> Tensor:
    """W + strength * (W' - W), fp32, where W' is the layer's weight as trained.

    Plain LoRA: W' = W + scale * B A. DoRA: W' is that, each output row brought to its trained length.

    Args:
        weight: (out, in) or (out, in, k, k).
        parts: ``lora_A.weight``, ``lora_B.weight`` and with DoRA ``lora_magnitude_vector``.

    Raises:
        AdapterError: a tensor is missing, or the shapes do not fit.
    """
    weight = weight.detach().float()
    on_device = {name: tensor.to(weight.device, torch.float32) for name, tensor in parts.items()}
    trained = weight + scale * _product(on_device, weight.shape)
    magnitude = on_device.get("lora_magnitude_vector")
    if magnitude is not None:
        lengths = torch.linalg.vector_norm(trained.flatten(1), dim=1)
        rows = (-1, *[1] * (weight.dim() - 1))
        trained = (magnitude.flatten() / lengths).view(rows) * trained
    return weight + strength * (trained - weight)


def _product(parts: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
    """B A in the weight's shape."""
    try:
        down, up = parts["lora_A.weight"], parts["lora_B.weight"]
        return (up.flatten(1) @ down.flatten(1)).view(shape)
    except (KeyError, RuntimeError) as error:
        given = {name: tuple(tensor.shape) for name, tensor in parts.items()}
        raise AdapterError(
            f"the adapter's tensors {given} do not make up a change of a weight of shape "
            f"{tuple(shape)}; it was made for another base model"
        ) from error


def _tensors_by_layer(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Split each name before ``lora_``: the layer's path, and what the tensor is to it."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        path, found, part = name.rpartition(".lora_")
        if not found:
            raise AdapterError(f"{name!r} is no tensor of a LoRA; the file is of another kind")
        layers.setdefault(path, {})[f"lora_{part}"] = tensor
    return layers


def _find_layer(base: BaseModel, path: str) -> nn.Linear | nn.Conv2d:
    """The live layer of a neutral path such as ``unet.down_blocks.0.….to_q``."""
    prefix, _, inner = path.partition(".")
    parts: dict[str, nn.Module] = {"unet": base.unet}
    parts.update(zip(("text_encoder", "text_encoder_2"), base.text_encoders, strict=False))
    try:
        layer = parts[prefix].get_submodule(inner)
    except (KeyError, AttributeError) as error:
        raise AdapterError(
            f"the adapter changes {path}, which {base.name} does not have; "
            "it was made for another base model"
        ) from error
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise AdapterError(
            f"the adapter changes {path}, which is a {type(layer).__name__}, no weight"
        )
    return layer
